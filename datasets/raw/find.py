"""Finds raw files by name, wherever they lie below the given places, and chooses among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from datasets.errors import DataError
from datasets.raw.content import unreadable
from datasets.store.system import is_system_litter, original_name

SEARCH_DEPTH = 4
_HINT_DEPTH, _HINT_FILES = 4, 100_000
"""How much further, and through how many files, a missing file is looked for to give a hint."""

C = TypeVar("C")
T = TypeVar("T")


@dataclass(frozen=True)
class Search:
    """The files below some places, four levels deep, in the order of places and names.

    `closed` are folders that could not be opened.
    """

    places: tuple[Path, ...]
    files: tuple[Path, ...]
    closed: tuple[Path, ...]

    def named(self, name: str) -> list[Path]:
        """The files of this name, and behind them those that a browser or a person has numbered
        or copied, such as `name (1)`."""
        return [*self._by_name.get(name, ()), *self._copies.get(name, ())]

    def why_missing(self, names: Collection[str]) -> str:
        """What may be the reason that files are not found, to be put behind an error; or ''."""
        hints = []
        if self.closed:
            hints.append(f"{self.closed[0]} cannot be opened: no permission")
        if elsewhere := self._elsewhere(names):
            hints.append(
                f"{elsewhere.name} lies in {elsewhere.parent}: name that folder with --raw"
            )
        elif self.places and not self.files:
            hints.append("no file is there at all")
        return "".join(f"; {hint}" for hint in hints)

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        return _grouped(self.files, lambda path: path.name)

    @cached_property
    def _copies(self) -> dict[str, list[Path]]:
        copies = (path for path in self.files if original_name(path.name) != path.name)
        return _grouped(copies, lambda path: original_name(path.name))

    def _elsewhere(self, names: Collection[str]) -> Path | None:
        """A file of one of these names above or deeper below the places."""
        starts = [(place, SEARCH_DEPTH + _HINT_DEPTH) for place in self.places if place.is_dir()]
        starts += [(place.absolute().parent, 1) for place in self.places]
        for place, depth in starts:
            for number, path in enumerate(_below(place, depth, [])):
                if path.name in names and path.is_file():
                    return path
                if number > _HINT_FILES:
                    break
        return None


def search(places: Sequence[Path]) -> Search:
    """Looks through the places: files, or folders four levels deep.

    Raises DataError for a place that does not exist or cannot be opened.
    """
    files: list[Path] = []
    closed: list[Path] = []
    for place in places:
        try:
            is_file = place.is_file()
            if not is_file:
                os.scandir(place).close()
        except FileNotFoundError as error:
            raise DataError(
                f"there is no {place}; --raw needs an existing folder or file"
            ) from error
        except OSError as error:
            raise unreadable(place, error) from error
        files += [place] if is_file else _below(place, SEARCH_DEPTH, closed)
    return Search(tuple(places), tuple(files), tuple(closed))


def first_good(what: str, candidates: Iterable[C], read: Callable[[C], T], most_told: int = 3) -> T:
    """What `read` gives for the first of the candidates that it does not refuse by a DataError.

    Raises DataError with the reason for each of them, if it refuses all.
    """
    problems = []
    for path in candidates:
        try:
            return read(path)
        except DataError as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    told = "; ".join(f"({number}) {error}" for number, error in enumerate(problems[:most_told], 1))
    more = f"; and {len(problems) - most_told} more" if len(problems) > most_told else ""
    raise DataError(f"{what}: not one of {len(problems)} files can be used: {told}{more}")


def _below(place: Path, depth: int, closed: list[Path]) -> Iterator[Path]:
    """The files below a folder, sorted, without what the system left; enters closed folders."""

    def note(error: OSError) -> None:
        closed.append(Path(error.filename or place))

    # Shared data often lies behind a link; the depth limit ends any cycle of links.
    for folder, subfolders, files in os.walk(place, onerror=note, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not is_system_litter(name))
        if len(Path(folder).relative_to(place).parts) >= depth:
            subfolders.clear()
        yield from (Path(folder) / name for name in sorted(files) if not is_system_litter(name))


def _grouped(paths: Iterable[Path], key: Callable[[Path], str]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return groups
