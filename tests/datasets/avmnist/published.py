"""An archive in the layout of the published `avmnist.tar.gz`, made of prepared data."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from datasets.avmnist.spec import PARTS

Arrays = Mapping[str, np.ndarray]
"""By member, such as `image/train_data.npy`."""


def published_arrays(prepared: Path, order: np.ndarray, components: int = 4) -> Arrays:
    """The arrays, with the aligned recordings in this order over all rows, training rows first."""

    def of(kind: str, part: str) -> np.ndarray:
        return np.load(prepared / f"{kind}_{part}.npy")

    pictures = np.concatenate([of("audio", part) for part in PARTS])
    rows = [of("aligned", part).astype(np.int64) for part in PARTS]
    rows[1] += len(of("audio", "train"))
    moved = np.split(np.concatenate(rows)[order], [len(rows[0])])
    arrays = {}
    for part, index in zip(PARTS, moved, strict=True):
        basis = of("basis", part)[:components].astype(np.float64)
        arrays[f"image/{part}_data.npy"] = of("coefficients", part)[:, :components] @ basis
        arrays[f"audio/{part}_data.npy"] = pictures[index]
        arrays[f"{part}_labels.npy"] = of("labels", part)
    return arrays


def write_archive(path: Path, arrays: Arrays) -> Path:
    """Writes a tar archive, packed if the name ends in .gz."""
    packed = {"mode": "w:gz", "compresslevel": 1} if path.suffix == ".gz" else {"mode": "w"}
    with tarfile.open(path, **packed) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array)
            member = tarfile.TarInfo(f"avmnist/{name}")
            member.size = content.tell()
            content.seek(0)
            archive.addfile(member, content)
    return path
