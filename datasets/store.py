"""Arrays on disk: one .npy file each, verified by sha256 before they are parsed."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from datasets.atomic import replaced_folder, write_synced
from datasets.errors import DataError
from datasets.manifest import FILE, ArrayEntry, Manifest


def write_store(folder: Path, arrays: Mapping[str, np.ndarray], **about: Any) -> Manifest:
    """Writes arrays and manifest so that `folder` appears complete or not at all.

    `about` holds the remaining fields of the Manifest. Raises DataError if it cannot be written.
    """
    with replaced_folder(folder) as partial:
        entries = {name: _write_array(partial / f"{name}.npy", a) for name, a in arrays.items()}
        created = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = Manifest(arrays=entries, created=created, **about)
        write_synced(partial / FILE, manifest.to_json().encode())
    return manifest


def read_arrays(folder: Path, manifest: Manifest, remedy: str) -> dict[str, np.ndarray]:
    """Every array of the manifest; raises DataError naming the first damaged file."""
    return {
        name: _read_array(folder / f"{name}.npy", entry, remedy)
        for name, entry in manifest.arrays.items()
    }


def _write_array(path: Path, array: np.ndarray) -> ArrayEntry:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    content = buffer.getvalue()
    write_synced(path, content)
    return ArrayEntry(len(content), hashlib.sha256(content).hexdigest())


def _read_array(path: Path, entry: ArrayEntry, remedy: str) -> np.ndarray:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; {remedy}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        problem = f"{path} is damaged: sha256 {found}, the manifest says {entry.sha256}"
        raise DataError(f"{problem}; {remedy}")
    return np.load(io.BytesIO(content), allow_pickle=False)
