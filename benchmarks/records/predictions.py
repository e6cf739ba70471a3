"""The stored predictions of the runs: which test samples each run got right."""

from __future__ import annotations

import hashlib
import io
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.records.files import write_bytes
from benchmarks.records.record import RunRecord

TOLERANCE = 1e-6  # between the accuracy in the record and that of the predictions
MOST_BYTES = 1 << 26  # of one array: far more than any test set needs; a header may claim more
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
    np.savez_compressed(buffer, **arrays)
    content = buffer.getvalue()
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


class Predictions:
    """Reads `<run_id>.npz` files of one folder, each array once.

    The unit of every statistical test is the test sample. The segments of a clip are not
    independent, so a clip counts as one sample: the part of its segments that is right.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._correct: dict[tuple[str, int, str], np.ndarray] = {}
        self._labels: dict[str, np.ndarray] = {}

    def correct(self, record: RunRecord, epoch: int, output: str) -> np.ndarray:
        """The part of each test sample that is right: (N,), 0 or 1 if it has one prediction.

        Raises ValueError that says what is missing or does not fit the record.
        """
        key = (record.run_id, epoch, output)
        if key not in self._correct:
            self._correct[key] = self._read(record, epoch, output)
        return self._correct[key]

    def labels(self, record: RunRecord) -> np.ndarray:
        """The labels of the test set as this run saw it, samples in order."""
        if record.run_id not in self._labels:
            self._check_digest(record)
            self._labels[record.run_id] = self._array(record, "labels")
        return self._labels[record.run_id]

    def _read(self, record: RunRecord, epoch: int, output: str) -> np.ndarray:
        labels = self.labels(record)
        predicted = self._array(record, f"epoch{epoch}_{output}")
        segments = record.data.get("segments", 1)
        if labels.ndim != 1 or predicted.shape != labels.shape or len(labels) % segments:
            raise ValueError(f"the predictions of {record.run_id} do not fit its labels")
        right = (predicted == labels).reshape(-1, segments).mean(1, dtype=np.float32)
        accuracy = record.history[epoch - 1]["test"][f"acc_{output}"]
        if abs(float(right.mean(dtype=np.float64)) - accuracy) > TOLERANCE:
            raise ValueError(
                f"the predictions of {record.run_id} give another accuracy than its record"
            )
        return right

    def _check_digest(self, record: RunRecord) -> None:
        """ValueError if the file is not the one that the run wrote; old records have no digest."""
        path = self.folder / f"{record.run_id}.npz" if self.folder else None
        if record.predictions_sha256 and path and path.is_file():
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if found != record.predictions_sha256:
                raise ValueError(
                    f"the predictions of {record.run_id} do not match the checksum in its record"
                )

    def _array(self, record: RunRecord, name: str) -> np.ndarray:
        if self.folder is None:
            raise ValueError("there is no folder with predictions")
        path = self.folder / f"{record.run_id}.npz"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                if arrays.zip.getinfo(f"{name}.npy").file_size > MOST_BYTES:
                    raise ValueError(f"{name} has more than {MOST_BYTES} bytes")
                found = arrays[name]
            if found.dtype.kind not in "iu":
                raise ValueError(f"{name} is {found.dtype}, not integers")
            return found
        except FileNotFoundError:
            raise ValueError(f"no predictions of {record.run_id}") from None
        except KeyError:
            raise ValueError(f"no {name} among the predictions of {record.run_id}") from None
        except _BROKEN as error:
            raise ValueError(f"the predictions of {record.run_id} are damaged: {error}") from error
