"""Finds raw files by name, wherever they lie below the given places."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from datasets.errors import DataError

SEARCH_DEPTH = 4


def found_files(places: Sequence[Path], wanted: Collection[str]) -> dict[str, Path]:
    """The first file of each wanted name; raises DataError for a place that does not exist."""
    found: dict[str, Path] = {}
    for path in all_files(places):
        if path.name in wanted:
            found.setdefault(path.name, path)
    return found


def all_files(places: Sequence[Path]) -> Iterator[Path]:
    """The places that are files, and the files below the others, four levels deep, sorted."""
    for place in places:
        if not place.exists():
            raise DataError(f"there is no {place}; --raw needs an existing folder or file")
        if place.is_file():
            yield place
        # Shared data often lies behind a link; the depth limit ends any cycle of links.
        for folder, subfolders, files in os.walk(place, followlinks=True):
            subfolders.sort()
            if len(Path(folder).relative_to(place).parts) >= SEARCH_DEPTH:
                subfolders.clear()
            yield from (Path(folder) / file for file in sorted(files))
