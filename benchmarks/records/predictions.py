"""The stored predictions of the runs: predicted classes of the test samples, and logits."""

from __future__ import annotations

import hashlib
import io
import re
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping
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
WITHOUT = "without_"  # begins the names of fused outputs with one modality left out
_NAME = re.compile(r"epoch(\d+)_\w+")  # of an array
_REDUCED = re.compile(rf"epoch(\d+)_({WITHOUT}\w+)")
_COMPRESSION = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others raise errors of their own
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
    """Writes the labels and the predicted classes of each epoch; returns the file's SHA-256.

    Arrays: `labels` (N,) and `epoch<E>_<output>` (N,), int16. An output is `mm`, a modality, or
    `without_<modality>`.
    """
    return _save(path, {"labels": labels} | _by_epoch(predictions, lambda n: not is_logits(n)))


def save_logits(path: Path, predictions: Mapping[int, Mapping[str, np.ndarray]]) -> str:
    """Writes the logits of each epoch; returns the file's SHA-256.

    Arrays: `epoch<E>_<output>_logits` (N, C), float16. They lie in a file of their own because they
    take twenty times the room of the classes: results may be passed on without them.
    """
    return _save(path, _by_epoch(predictions, is_logits))


def is_logits(name: str) -> bool:
    """Whether an array of this name holds logits."""
    return name.endswith(LOGITS)


def _by_epoch(
    predictions: Mapping[int, Mapping[str, np.ndarray]], wanted: Callable[[str], bool]
) -> dict[str, np.ndarray]:
    return {
        f"epoch{epoch}_{name}": array
        for epoch, outputs in sorted(predictions.items())
        for name, array in outputs.items()
        if wanted(name)
    }


def _save(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    content = buffer.getvalue()
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Stored:
    """The predictions of a run, checked against its record.

    `right` counts the right segments of each test sample, (N,), by epoch and output, those without
    a modality included, for which the record has no accuracy. `labels` are those of the test set,
    (N * segments,). `digest` names the predicted classes; it is empty where each output is always
    the same class, which several seeds may share.
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
    """There are no logits of this output: an old run, or one that was passed on without them."""


class Predictions:
    """Reads and checks the `<run_id>.npz` files of one folder, each once, and those in `logits`.

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

        Reads them now and keeps nothing, because they are large. NoLogits if there are none of
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
        path = self._file(record, self.folder and self.folder.parent / "logits")
        if path is None:
            raise NoLogits(f"no logits of {record.run_id}")
        wanted = f"{name}{LOGITS}"
        found = _read_file(path, record.logits_sha256, {wanted}, f"logits of {record.run_id}")
        if wanted not in found:
            raise NoLogits(f"no {wanted} among the logits of {record.run_id}")
        logits, classes = found[wanted].astype(np.float32), self.arrays(record)[name]
        try:
            _check_logits(logits, classes, labels)
        except ValueError as error:
            raise ValueError(f"{name}{LOGITS} of {record.run_id} {error}") from None
        return logits, classes

    def arrays(self, record: RunRecord) -> Mapping[str, np.ndarray]:
        """The labels and classes of the run, by name; ValueError says what is damaged."""
        path = self._file(record, self.folder)
        if path is None:
            raise NoPredictions(f"no predictions of {record.run_id}")
        what = f"predictions of {record.run_id}"
        return _read_file(path, record.predictions_sha256, None, what)

    @staticmethod
    def _file(record: RunRecord, folder: Path | None) -> Path | None:
        """The run's file in a folder; None if there is none."""
        path = folder / f"{record.run_id}.npz" if folder else None
        return path if path and path.exists() else None

    def _checked(self, record: RunRecord) -> Stored:
        arrays = self.arrays(record)
        if "labels" not in arrays:
            raise ValueError(f"no labels among the predictions of {record.run_id}")
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
                counts = _right(record, name, predicted, labels)
                measured = counts.sum() / len(labels)
                if abs(measured - accuracy) > TOLERANCE:
                    raise ValueError(
                        f"the record of {record.run_id} says {100 * accuracy:.2f} % for {output} "
                        f"at epoch {entry['epoch']}, its predictions have {100 * measured:.2f} %"
                    )
                digest.update(name.encode() + predicted.astype(np.int64).tobytes())
                varied = varied or bool((predicted != predicted[0]).any())
                right[entry["epoch"], output] = counts
        for name, predicted in arrays.items():
            if found := _REDUCED.fullmatch(name):
                right[int(found[1]), found[2]] = _right(record, name, predicted, labels)
        return Stored(labels, right, digest.hexdigest() if varied else "")

    def _shared(self, labels: np.ndarray) -> np.ndarray:
        key = hashlib.sha256(repr(labels.shape).encode() + labels.astype(np.int64).tobytes())
        return self._labels.setdefault(key.digest(), labels)


def _read_file(
    path: Path, expected: str, wanted: Collection[str] | None, what: str
) -> dict[str, np.ndarray]:
    """The wanted arrays of a file, all for None; ValueError says how `what` is damaged."""
    try:
        content = path.read_bytes()
        if expected not in ("", hashlib.sha256(content).hexdigest()):
            raise ValueError("they do not match the checksum in its record")
        return _read(content, wanted)
    except _BROKEN as error:
        raise ValueError(f"the {what} are damaged: {error}") from error


def _read(content: bytes, wanted: Collection[str] | None) -> dict[str, np.ndarray]:
    """The wanted arrays of an archive.

    ValueError for one that is too large, and for numbers of another kind than its name says.
    """
    found: dict[str, np.ndarray] = {}
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        if len(archive.files) > MOST_ARRAYS:
            raise ValueError(f"there are more than {MOST_ARRAYS} arrays")
        for entry in archive.zip.infolist():
            if not entry.filename.endswith(".npy") or entry.compress_type not in _COMPRESSION:
                raise ValueError(f"'{entry.filename}' is no array as numpy writes them")
        for name in archive.files:
            if wanted is not None and name not in wanted:
                continue
            if archive.zip.getinfo(f"{name}.npy").file_size > MOST_BYTES:
                raise ValueError(f"{name} has more than {MOST_BYTES} bytes")
            found[name] = archive[name]
            if is_logits(name) and found[name].dtype != np.float16:
                raise ValueError(f"{name} is {found[name].dtype}, not float16")
            if not is_logits(name) and found[name].dtype.kind not in "iu":
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


def _right(record: RunRecord, name: str, predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many segments of each test sample are right; ValueError if the shapes differ."""
    if predicted.shape != labels.shape:
        raise ValueError(f"{name} of {record.run_id} does not fit its labels")
    segments = record.data.get("segments", 1)
    return (predicted == labels).reshape(-1, segments).sum(1).astype(np.uint16)


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
