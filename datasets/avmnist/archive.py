"""The published archive `avmnist.tar.gz`, read piece by piece and stored compactly.

It holds six arrays: `image/{train,test}_data.npy` (N, 784), `audio/{train,test}_data.npy`
(N, 112, 112) and `{train,test}_labels.npy` (N,). Its spectrograms repeat and its images have a low
rank, so that 1.3 GB become a few MB without loss.
"""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from scipy.linalg import eigh

from datasets.avmnist.spec import ARCHIVE_FILE, NAME, PARTS, RECIPE_VERSION
from datasets.errors import DataError
from datasets.raw.find import search
from datasets.spec import Progress
from datasets.store.arrays import write_store
from datasets.store.manifest import Manifest, digest_of

PIXELS = 784
PICTURE = (112, 112)
MAX_ROWS = 1 << 17
CHUNK_BYTES = 1 << 24
RANK_LEVEL = 1e-10
"""Components with a smaller share of the strongest one's energy are rounding."""

MEMBERS = {
    f"{kind}{part}_{suffix}.npy": (kind.strip("/") or "labels", part)
    for part in PARTS
    for kind, suffix in (("image/", "data"), ("audio/", "data"), ("", "labels"))
}
"""End of a member's path -> what it holds and of which part."""
LAYOUT = {"image": ("fiu", PIXELS), "audio": ("fiu", prod(PICTURE)), "labels": ("iu", 1)}
"""What a member holds -> kinds of its dtype, and values of a row."""
STAGE = "reading the archive"
_BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, OSError)


@dataclass(frozen=True)
class Images:
    """coefficients (N, k) @ basis (k, 784), float64: the images with all their k components.

    `mean` is the mean of all values; `energy` (k,) the cumulative share of the components.
    """

    coefficients: np.ndarray
    basis: np.ndarray
    energy: np.ndarray
    mean: float


@dataclass
class Pictures:
    """The different spectrograms of a part, each once, and which of them every row holds."""

    distinct: list[np.ndarray] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    _known: dict[bytes, int] = field(default_factory=dict)

    def add(self, picture: np.ndarray) -> None:
        """Appends a row (112, 112) uint8."""
        key = hashlib.blake2b(picture.tobytes(), digest_size=16).digest()
        if key not in self._known:
            self._known[key] = len(self.distinct)
            self.distinct.append(picture)
        self.index.append(self._known[key])


@dataclass(frozen=True)
class Archive:
    """What the archive holds, by part. `sha256` is over the values of all six arrays."""

    images: Mapping[str, Images]
    pictures: Mapping[str, Pictures]
    labels: Mapping[str, np.ndarray]
    sha256: str


def read_archive(place: Path, progress: Progress) -> Archive:
    """Reads `avmnist.tar.gz`, packed in any way that tar knows, or its unpacked folder.

    Raises DataError for a missing, damaged or unexpected array.
    """
    images: dict[str, Images] = {}
    pictures: dict[str, Pictures] = {}
    labels: dict[str, np.ndarray] = {}
    sums: dict[str, str] = {}
    try:
        for name, stream in _members(place):
            progress(STAGE, len(sums), len(MEMBERS))
            kind, part = MEMBERS[name]
            rows = _Rows(stream, f"{place}: {name}", kind)
            if kind == "image":
                images[part] = _low_rank(rows)
            elif kind == "audio":
                pictures[part] = _pictures(rows)
            else:
                labels[part] = _digits(rows)
            sums[name] = rows.sha256
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(f"{place} is damaged or cannot be read: {error}; fetch it again") from error
    if missing := sorted(set(MEMBERS) - set(sums)):
        raise DataError(
            f"{place} is not the published AV-MNIST: it lacks {', '.join(missing)}; name "
            f"{ARCHIVE_FILE} or its unpacked folder"
        )
    progress(STAGE, len(sums), len(MEMBERS))
    for part, digits in labels.items():
        sizes = [len(images[part].coefficients), len(pictures[part].index), len(digits)]
        if len(set(sizes)) > 1:
            found = f"{sizes[0]} images, {sizes[1]} spectrograms, {sizes[2]} labels"
            raise DataError(f"{place}: the {part} arrays have {found}; need as many of each")
    return Archive(images, pictures, labels, digest_of(sums))


def store_archive(archive: Archive, folder: Path) -> Manifest:
    """Writes a prepared folder, from which `source=archive` loads exactly these rows.

    Images become float32, as they are trained on. The last twelfth of the training rows
    validates, as in the rebuilt data.
    """
    arrays = {}
    for part in PARTS:
        images, pictures = archive.images[part], archive.pictures[part]
        arrays[f"coefficients_{part}"] = images.coefficients.astype(np.float32)
        arrays[f"basis_{part}"] = images.basis.astype(np.float32)
        arrays[f"audio_{part}"] = np.stack(pictures.distinct)
        arrays[f"clips_{part}"] = np.array(pictures.index, np.int32)
        arrays[f"labels_{part}"] = archive.labels[part]
    rows = {part: len(archive.labels[part]) for part in PARTS}
    recipe = {"version": RECIPE_VERSION, "raw": {"arrays": archive.sha256}}
    return write_store(
        folder,
        arrays,
        dataset=NAME,
        stand_in=False,
        recipe=recipe,
        raw={"arrays": archive.sha256},
        facts={
            "rows": rows,
            "clips": {part: len(archive.pictures[part].distinct) for part in PARTS},
            "components": {part: len(archive.images[part].basis) for part in PARTS},
            "val_rows": rows["train"] // 12,
        },
        fingerprint=digest_of(recipe),
    )


def _members(place: Path) -> Iterator[tuple[str, BinaryIO]]:
    """The six arrays in the order in which they lie there."""
    if place.is_dir():
        for path in search([place]).files:
            if name := _name(path.relative_to(place).as_posix()):
                with path.open("rb") as stream:
                    yield name, stream
        return
    if not place.exists():
        raise DataError(f"there is no {place}; --raw needs {ARCHIVE_FILE} or its unpacked folder")
    with tarfile.open(place, "r:*") as archive:
        for member in archive:
            if member.isreg() and (name := _name(member.name)):
                stream = archive.extractfile(member)  # type: ignore[assignment]
                assert stream is not None  # a regular file has content
                yield name, stream


def _name(path: str) -> str | None:
    return next((name for name in MEMBERS if f"/{path}".endswith(f"/{name}")), None)


class _Rows:
    """A .npy array (N, ...) as chunks (n, values of a row), its header checked before."""

    def __init__(self, stream: BinaryIO, where: str, kind: str) -> None:
        """Raises DataError for an array that is not of the published AV-MNIST."""
        self.stream, self.where = stream, where
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        version = npy.read_magic(stream)
        if version not in readers:
            raise DataError(f"{where}: npy format {version}; expected 1.0 or 2.0")
        shape, by_columns, self.dtype = readers[version](stream)
        types, self.width = LAYOUT[kind]
        right = self.dtype.kind in types and not by_columns and prod(shape[1:]) == self.width
        if not (shape and right and 0 < shape[0] <= MAX_ROWS):
            raise DataError(f"{where} is {self.dtype} {shape}; it is not of the published AV-MNIST")
        self.count = shape[0]
        self._digest = hashlib.sha256(f"{self.dtype.str} {shape}".encode())

    @property
    def sha256(self) -> str:
        """Of the shape and all values that were read."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[np.ndarray]:
        row_bytes = self.width * self.dtype.itemsize
        at_once = max(1, CHUNK_BYTES // row_bytes)
        for start in range(0, self.count, at_once):
            content = self.stream.read(min(at_once, self.count - start) * row_bytes)
            if len(content) % row_bytes or not content:
                raise DataError(f"{self.where} is truncated; fetch the archive again")
            self._digest.update(content)
            yield np.frombuffer(content, self.dtype).reshape(-1, self.width)


def _low_rank(rows: _Rows) -> Images:
    """All components of images; no mean is taken off, so that a mean would be one more."""
    pixels = np.empty((rows.count, rows.width))
    scatter, start = np.zeros((rows.width, rows.width)), 0
    for chunk in rows:
        values = pixels[start : start + len(chunk)]
        values[:] = chunk
        scatter += values.T @ values
        start += len(chunk)
    if not np.isfinite(scatter).all():
        raise DataError(f"{rows.where} holds NaN or infinite values")
    energy, vectors = eigh(scatter)
    strong = np.flatnonzero(energy > RANK_LEVEL * energy[-1])[::-1]
    basis = np.ascontiguousarray(vectors[:, strong].T)
    shares = energy[strong].cumsum() / energy.sum()
    return Images(pixels @ basis.T, basis, shares, float(pixels.mean()))


def _pictures(rows: _Rows) -> Pictures:
    found = Pictures()
    for chunk in rows:
        pictures = chunk.astype(np.uint8)
        if not np.array_equal(pictures, chunk):
            raise DataError(f"{rows.where} holds values that are not whole numbers from 0 to 255")
        for picture in pictures:
            found.add(picture.reshape(PICTURE))
    return found


def _digits(rows: _Rows) -> np.ndarray:
    labels = np.concatenate(list(rows))[:, 0]
    if labels.min() < 0 or labels.max() > 9:
        found = f"{labels.min()} to {labels.max()}"
        raise DataError(f"{rows.where}: labels go from {found}; digits are 0 to 9")
    return labels.astype(np.uint8)
