"""The stored predictions of the runs: predicted classes of the test samples, and logits."""

from __future__ import annotations

import hashlib
import io
import re
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.records.files import write_bytes
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import candidate_epochs

TOLERANCE = 1e-6  # between the accuracy in the record and that of the predictions
MOST_BYTES = 1 << 26  # of one array: far more than any test set needs; a header may claim more
MOST_ARRAYS = 100  # of one file: three epochs with a few outputs each
HALF_STEP = float(np.finfo(np.float16).eps)  # between neighbouring float16, relative, at most
LOGITS = "_logits"  # ends the names of arrays with logits
_NAME = re.compile(r"epoch(\d+)_\w+")  # of an array
# What numpy raises for damaged files and files of another kind.
_BROKEN = (
    ValueError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    MemoryError,
    ArithmeticError,
    TypeError,
    AttributeError,
    tokenize.TokenError,
)


def save_predictions(
    path: Path, labels: np.ndarray, predictions: Mapping[int, Mapping[str, np.ndarray]]
) -> str:
    """Writes the labels and the test predictions of each epoch as a compressed npz.

    Arrays: `labels` (N,) and `epoch<E>_<output>` (N,), int16; `epoch<E>_<output>_logits` (N, C),
    float16. Returns the file's SHA-256.
    """
    arrays = {"labels": labels}
    for epoch, outputs in sorted(predictions.items()):
        arrays |= {f"epoch{epoch}_{name}": array for name, array in outputs.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    content = buffer.getvalue()
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Stored:
    """The predictions of a run, checked against its record.

    `right` counts the right segments of each test sample, (N,), by epoch and output. `labels` are
    those of the test set, (N * segments,), and `digest` names the predicted classes; it is empty
    where each output is always the same class, which several seeds may share.
    """

    labels: np.ndarray
    right: Mapping[tuple[int, str], np.ndarray]
    digest: str


@dataclass(frozen=True)
class Confidence:
    """How sure a run was of each prediction, and whether it was right.

    `confidence` is the probability of the predicted class, (N,) float32; `right` is (N,) bool.
    """

    confidence: np.ndarray
    right: np.ndarray


class NoPredictions(ValueError):
    """There is no file with the predictions of a run."""


class NoLogits(ValueError):
    """The file with the predictions of a run does not hold these logits, as in older files."""


class Predictions:
    """Reads and checks the `<run_id>.npz` files of one folder, each once.

    The unit of every statistical test is the test sample. The segments of a clip are not
    independent, so a clip counts as one sample: the part of its segments that is right.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._found: dict[str, Stored | ValueError] = {}
        self._labels: dict[bytes, np.ndarray] = {}  # most runs share them
        self._confidence: dict[tuple[str, int, str], Confidence] = {}

    def stored(self, record: RunRecord) -> Stored:
        """The run's predictions.

        NoPredictions if there are none. ValueError says what is damaged, or what contradicts the
        record: the file's digest, the number of labels, the epochs that are reported under some
        rule, or an accuracy.
        """
        if record.run_id not in self._found:
            try:
                self._found[record.run_id] = self._checked(record)
            except ValueError as error:
                self._found[record.run_id] = error
        found = self._found[record.run_id]
        if isinstance(found, ValueError):
            raise found
        return found

    def correct(self, record: RunRecord, epoch: int, output: str) -> np.ndarray:
        """The part of each test sample that is right: (N,), 0 or 1 if it has one prediction.

        ValueError as for `stored`.
        """
        right = self.stored(record).right
        if (epoch, output) not in right:
            raise ValueError(f"no epoch{epoch}_{output} among the predictions of {record.run_id}")
        return right[epoch, output] / np.float32(record.data.get("segments", 1))

    def labels(self, record: RunRecord) -> np.ndarray:
        """The labels of the test set as this run saw it, samples in order."""
        return self.stored(record).labels

    def logits(self, record: RunRecord, epoch: int, output: str) -> np.ndarray:
        """The logits of an output, each row up to a constant: (N, C) float32.

        Reads them now and keeps nothing, because they are large. NoLogits if the file has none of
        this epoch and output. ValueError as for `stored`, and if they do not have one finite row
        per prediction, or do not give the stored classes.
        """
        return self._logits_and_classes(record, epoch, output)[0]

    def confidence(self, record: RunRecord, epoch: int, output: str) -> Confidence:
        """How sure the run was of each prediction of an output; errors as for `logits`."""
        key = record.run_id, epoch, output
        if key not in self._confidence:
            logits, classes = self._logits_and_classes(record, epoch, output)
            highest = 1 / np.exp(logits - logits.max(1, keepdims=True)).sum(1)
            self._confidence[key] = Confidence(highest, classes == self.labels(record))
        return self._confidence[key]

    def _logits_and_classes(
        self, record: RunRecord, epoch: int, output: str
    ) -> tuple[np.ndarray, np.ndarray]:
        labels, name = self.labels(record), f"epoch{epoch}_{output}"
        if (epoch, output) not in self.stored(record).right:
            raise NoLogits(f"no {name} among the predictions of {record.run_id}")
        found = self._arrays(record, {name, f"{name}{LOGITS}"}.__contains__)
        if f"{name}{LOGITS}" not in found:
            raise NoLogits(f"no {name}{LOGITS} among the predictions of {record.run_id}")
        logits, classes = found[f"{name}{LOGITS}"].astype(np.float32), found[name]
        try:
            _check_logits(logits, classes, labels)
        except ValueError as error:
            raise ValueError(f"{name}{LOGITS} of {record.run_id} {error}") from None
        return logits, classes

    def arrays(self, record: RunRecord) -> Mapping[str, np.ndarray]:
        """The whole numbers of the run's file, by name; ValueError says what is damaged."""
        return self._arrays(record, lambda name: not name.endswith(LOGITS))

    def _arrays(self, record: RunRecord, wanted: Callable[[str], bool]) -> Mapping[str, np.ndarray]:
        path = self.folder / f"{record.run_id}.npz" if self.folder else None
        if path is None or not path.exists():
            raise NoPredictions(f"no predictions of {record.run_id}")
        try:
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            if record.predictions_sha256 not in ("", digest):
                raise ValueError("they do not match the checksum in its record")
            return _read(content, wanted)
        except _BROKEN as error:
            raise ValueError(f"the predictions of {record.run_id} are damaged: {error}") from error

    def _checked(self, record: RunRecord) -> Stored:
        arrays = self.arrays(record)
        if "labels" not in arrays:
            raise ValueError(f"no labels among the predictions of {record.run_id}")
        segments = record.data.get("segments", 1)
        labels = self._shared(arrays["labels"])
        _check_labels(record, labels)
        _check_epochs(record, arrays)
        right, digest, varied = {}, hashlib.sha256(), False
        reported = candidate_epochs(record.history)
        for entry in (entry for entry in record.history if entry["epoch"] in reported):
            for output, accuracy in _accuracies(entry["test"]):
                name = f"epoch{entry['epoch']}_{output}"
                if name not in arrays:
                    raise ValueError(f"no {name} among the predictions of {record.run_id}")
                predicted = arrays[name]
                if predicted.shape != labels.shape:
                    raise ValueError(f"{name} of {record.run_id} does not fit its labels")
                counts = (predicted == labels).reshape(-1, segments).sum(1)
                measured = counts.sum() / len(labels)
                if abs(measured - accuracy) > TOLERANCE:
                    raise ValueError(
                        f"the record of {record.run_id} says {100 * accuracy:.2f} % for {output} "
                        f"at epoch {entry['epoch']}, its predictions have {100 * measured:.2f} %"
                    )
                digest.update(name.encode() + predicted.astype(np.int64).tobytes())
                varied = varied or bool((predicted != predicted[0]).any())
                right[entry["epoch"], output] = counts.astype(np.uint16)
        return Stored(labels, right, digest.hexdigest() if varied else "")

    def _shared(self, labels: np.ndarray) -> np.ndarray:
        key = hashlib.sha256(repr(labels.shape).encode() + labels.astype(np.int64).tobytes())
        return self._labels.setdefault(key.digest(), labels)


def _read(content: bytes, wanted: Callable[[str], bool]) -> dict[str, np.ndarray]:
    """The wanted arrays of an archive.

    ValueError for one that is too large, and for numbers of another kind than its name says.
    """
    found = {}
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        if len(archive.files) > MOST_ARRAYS:
            raise ValueError(f"there are more than {MOST_ARRAYS} arrays")
        for name in filter(wanted, archive.files):
            if archive.zip.getinfo(f"{name}.npy").file_size > MOST_BYTES:
                raise ValueError(f"{name} has more than {MOST_BYTES} bytes")
            found[name] = archive[name]
            if name.endswith(LOGITS) and found[name].dtype != np.float16:
                raise ValueError(f"{name} is {found[name].dtype}, not float16")
            if not name.endswith(LOGITS) and found[name].dtype.kind not in "iu":
                raise ValueError(f"{name} is {found[name].dtype}, not whole numbers")
    return found


def _check_logits(logits: np.ndarray, classes: np.ndarray, labels: np.ndarray) -> None:
    """ValueError if the logits have another shape, are not finite, or contradict the classes.

    The logit of a predicted class is the highest of its row: rounding to float16 keeps the order,
    but may make a neighbour equal. One step of float16 is allowed.
    """
    if logits.ndim != 2 or len(logits) != len(labels):
        raise ValueError(f"have shape {logits.shape}, and there are {len(labels):,} predictions")
    if not np.isfinite(logits).all():
        raise ValueError("are not finite")
    if not 0 <= classes.min() <= classes.max() < logits.shape[1]:
        raise ValueError(f"have {logits.shape[1]} classes, and the predictions more")
    highest = logits.max(1)
    own = logits[np.arange(len(classes)), classes]
    lower = int((own < highest - HALF_STEP * np.abs(highest)).sum())
    if lower:
        raise ValueError(f"give another class than the stored one in {lower:,} rows")


def _check_labels(record: RunRecord, labels: np.ndarray) -> None:
    """ValueError if there are not as many labels as the record has test samples and segments."""
    samples, segments = record.data.get("sizes", {}).get("test"), record.data.get("segments", 1)
    if samples is None:
        raise ValueError(f"the record of {record.run_id} does not say how large the test set is")
    if labels.shape != (samples * segments,):
        raise ValueError(
            f"the predictions of {record.run_id} have {len(labels.ravel()):,} labels, its record "
            f"says {samples:,} test samples" + (f" of {segments} segments" * (segments > 1))
        )


def _check_epochs(record: RunRecord, arrays: Mapping[str, np.ndarray]) -> None:
    """ValueError if the file holds classes of other epochs than those that some rule reports."""
    names = (_NAME.fullmatch(name) for name in arrays)
    stored = {int(found[1]) for found in names if found}
    reported = candidate_epochs(record.history)
    if stored != reported:
        raise ValueError(
            f"the predictions of {record.run_id} are of epochs {sorted(stored)}, its record "
            f"reports epochs {sorted(reported)}"
        )


def _accuracies(metrics: Mapping[str, Any]) -> list[tuple[str, float]]:
    """The outputs of an epoch with their accuracies."""
    return [(n.removeprefix("acc_"), v) for n, v in metrics.items() if n.startswith("acc_")]
