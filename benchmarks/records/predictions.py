"""The stored predictions of the runs: which test samples each run got right."""

from __future__ import annotations

import hashlib
import io
import re
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
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

    Arrays: `labels` (N,) and `epoch<E>_<output>` (N,), int16. Returns the file's SHA-256.
    """
    arrays = {"labels": labels}
    for epoch, outputs in sorted(predictions.items()):
        arrays |= {f"epoch{epoch}_{name}": classes for name, classes in outputs.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
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


class NoPredictions(ValueError):
    """There is no file with the predictions of a run."""


class Predictions:
    """Reads and checks the `<run_id>.npz` files of one folder, each once.

    The unit of every statistical test is the test sample. The segments of a clip are not
    independent, so a clip counts as one sample: the part of its segments that is right.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._found: dict[str, Stored | ValueError] = {}
        self._labels: dict[bytes, np.ndarray] = {}  # most runs share them

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

    def arrays(self, record: RunRecord) -> Mapping[str, np.ndarray]:
        """The arrays of the run's file, by name; ValueError says what is damaged."""
        path = self.folder / f"{record.run_id}.npz" if self.folder else None
        if path is None or not path.exists():
            raise NoPredictions(f"no predictions of {record.run_id}")
        try:
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            if record.predictions_sha256 not in ("", digest):
                raise ValueError("they do not match the checksum in its record")
            return _read(content)
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


def _read(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of an archive; ValueError for one that is too large or holds no whole numbers."""
    found: dict[str, np.ndarray] = {}
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        for name in archive.files:
            if archive.zip.getinfo(f"{name}.npy").file_size > MOST_BYTES:
                raise ValueError(f"{name} has more than {MOST_BYTES} bytes")
            if len(found) == MOST_ARRAYS:
                raise ValueError(f"there are more than {MOST_ARRAYS} arrays")
            found[name] = archive[name]
            if found[name].dtype.kind not in "iu":
                raise ValueError(f"{name} is {found[name].dtype}, not whole numbers")
    return found


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
    """ValueError if the file holds other epochs than those that some rule reports."""
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
