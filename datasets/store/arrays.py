"""Arrays on disk: one .npy file each, verified by sha256 before they are used."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from datasets.errors import DataError
from datasets.store.atomic import replaced_folder, synced
from datasets.store.manifest import FILE, ArrayEntry, Manifest


@dataclass(frozen=True)
class Streamed:
    """An array too large for memory: `chunks` (n_i, *shape[1:]) give it piece by piece."""

    shape: tuple[int, ...]
    dtype: np.dtype
    chunks: Iterable[np.ndarray]


def write_store(
    folder: Path, arrays: Mapping[str, np.ndarray | Streamed], **about: Any
) -> Manifest:
    """Writes arrays and manifest so that `folder` appears complete or not at all.

    `about` holds the remaining fields of the Manifest. Raises DataError if it cannot be written.
    """
    with replaced_folder(folder) as partial:
        entries = {name: _write_array(partial / f"{name}.npy", a) for name, a in arrays.items()}
        created = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = Manifest(arrays=entries, created=created, **about)
        with synced(partial / FILE) as stream:
            stream.write(manifest.to_json().encode())
    return manifest


def read_arrays(
    folder: Path, manifest: Manifest, remedy: str, names: Iterable[str] | None = None
) -> dict[str, np.ndarray]:
    """The arrays `names`, by default all of the manifest.

    Raises DataError naming the first damaged file.
    """
    wanted = manifest.arrays if names is None else {n: manifest.arrays[n] for n in names}
    return {
        name: _read_array(folder / f"{name}.npy", entry, remedy) for name, entry in wanted.items()
    }


def _write_array(path: Path, array: np.ndarray | Streamed) -> ArrayEntry:
    if isinstance(array, np.ndarray):
        array = Streamed(array.shape, array.dtype, [array])
    header = io.BytesIO()
    description = npy.dtype_to_descr(array.dtype)
    about = {"descr": description, "fortran_order": False, "shape": array.shape}
    npy.write_array_header_1_0(header, about)
    digest, rows = hashlib.sha256(), 0
    with synced(path) as stream:
        _append(stream, digest, header.getvalue())
        for chunk in array.chunks:
            if chunk.dtype != array.dtype or chunk.shape[1:] != array.shape[1:]:
                raise ValueError(f"{path.name}: a chunk is {chunk.dtype} {chunk.shape}")
            _append(stream, digest, np.ascontiguousarray(chunk).data)
            rows += len(chunk)
    if array.shape and rows != array.shape[0]:
        raise ValueError(f"{path.name}: {rows} rows came, {array.shape[0]} were announced")
    return ArrayEntry(path.stat().st_size, digest.hexdigest())


def _append(stream: BinaryIO, digest: Any, content: bytes | memoryview) -> None:
    stream.write(content)
    digest.update(content)


def _read_array(path: Path, entry: ArrayEntry, remedy: str) -> np.ndarray:
    """The array, if its file has the right sha256; else raises DataError.

    The file is mapped (copy on write), so 2 GB are hashed without a second copy in memory.
    """
    try:
        size = path.stat().st_size
        content = np.memmap(path, np.uint8, "c") if size else np.empty(0, np.uint8)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; {remedy}") from error
    found = hashlib.sha256(content).hexdigest()  # type: ignore[arg-type]
    if found != entry.sha256:
        problem = f"{path} is damaged: sha256 {found}, the manifest says {entry.sha256}"
        raise DataError(f"{problem}; {remedy}")
    return _parsed(content.view(np.ndarray))


def _parsed(content: np.ndarray) -> np.ndarray:
    """A view of the bytes of a .npy file; the header keeps the data aligned to 64 bytes."""
    header = io.BytesIO(content[:4096].tobytes())
    npy.read_magic(header)
    shape, _, dtype = npy.read_array_header_1_0(header)
    return content[header.tell() :].view(dtype).reshape(shape)
