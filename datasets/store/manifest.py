"""manifest.json: what a prepared folder holds, from what, and the digest of every file.

`data status` and the planning of experiments read nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datasets.errors import DataError

FILE = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class ArrayEntry:
    """One stored array, `<name>.npy`: size in bytes and sha256 of the file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """One complete preparation.

    `recipe` holds all that decides the data; `facts` what was measured on it; `raw` the sha256 of
    each raw part; `created` (UTC) is for people and enters no digest.
    """

    dataset: str
    created: str
    stand_in: bool
    recipe: Mapping[str, Any]
    raw: Mapping[str, str]
    facts: Mapping[str, Any]
    fingerprint: str
    arrays: Mapping[str, ArrayEntry]

    def to_json(self) -> str:
        """The text of manifest.json."""
        fields = asdict(self)
        envelope = {"format": FORMAT, "sha256": digest_of(fields), **fields}
        return json.dumps(envelope, indent=2, sort_keys=True) + "\n"

    def total_bytes(self) -> int:
        """Bytes of all arrays on disk."""
        return sum(entry.bytes for entry in self.arrays.values())

    def file_problems(self, folder: Path) -> list[str]:
        """Files that are missing or of the wrong size; reads no content."""
        problems = []
        for name, entry in self.arrays.items():
            path = folder / f"{name}.npy"
            size = path.stat().st_size if path.is_file() else None
            if size is None:
                problems.append(f"{path.name} is missing")
            elif size != entry.bytes:
                problems.append(f"{path.name} has {size} bytes instead of {entry.bytes}")
        return problems


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a prepared folder, or None without one; raises DataError if damaged."""
    path = folder / FILE
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    found = fields.pop("format", None) if isinstance(fields, dict) else None
    if found != FORMAT:
        raise DataError(f"{path} has format {found!r}; this version reads format {FORMAT}")
    if fields.pop("sha256", None) != digest_of(fields):
        raise DataError(f"{path} is damaged: its own checksum does not fit")
    try:
        entries = {name: ArrayEntry(**entry) for name, entry in fields.pop("arrays").items()}
        return Manifest(arrays=entries, **fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not a manifest of this version: {error!r}") from error


def digest_of(facts: Any) -> str:
    """sha256 of any JSON value, independent of key order."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


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
