"""What a preparation asks a folder before it writes into it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets.errors import DataError
from datasets.manifest import Manifest, read_manifest


def up_to_date(folder: Path, recipe: Mapping[str, Any]) -> Manifest | None:
    """The manifest if the folder holds exactly this recipe's data, undamaged."""
    try:
        manifest = read_manifest(folder)
        if manifest is None or manifest.recipe != recipe:
            return None
        found = {name: file_sha256(folder / f"{name}.npy") for name in manifest.arrays}
    except DataError:
        return None
    expected = {name: entry.sha256 for name, entry in manifest.arrays.items()}
    return manifest if found == expected else None


def refuse_to_replace_real_data(folder: Path) -> None:
    """Raises DataError if stand-in data would take the place of real data."""
    try:
        manifest = read_manifest(folder)
    except DataError:
        return
    if manifest is not None and not manifest.stand_in:
        raise DataError(f"{folder} holds real data; stand-in data needs a folder of its own")


def file_sha256(path: Path) -> str:
    """The sha256 of a file of any size; raises DataError if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
