"""Finds the raw files of CREMA-D: a clone of its repository and the published split lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.cremad.lists import CLIP, KINDS, PARTS
from datasets.errors import DataError
from datasets.raw.fetch import CREMAD, CREMAD_LISTS
from datasets.raw.find import all_files

POINTERS = ("cremad_lfs_manifest.csv.gz", "cremad_lfs_manifest.csv")
PULL = "git lfs pull --include 'AudioWAV/*,VideoFlash/*'"


@dataclass(frozen=True)
class RawCremad:
    """`files` by (clip, `wav` or `flv`); `lists` by split; `labels` is stat.csv."""

    files: dict[tuple[str, str], Path]
    lists: dict[str, Path]
    labels: Path | None
    pointers: Path | None


def find_raw(places: Sequence[Path]) -> RawCremad:
    """Looks through files and folders (four levels deep); the first of a name wins.

    Raises DataError if a place or a split list is missing.
    """
    clips: dict[tuple[str, str], Path] = {}
    named: dict[str, list[Path]] = {}
    for path in all_files(places):
        kind = path.suffix[1:]
        if kind in KINDS and CLIP.fullmatch(path.stem):
            clips.setdefault((path.stem, kind), path)
        else:
            named.setdefault(path.name, []).append(path)
    looked_in = ", ".join(map(str, places))
    lists = {part: _list(f"{part}.csv", named, looked_in) for part in PARTS}
    labels = lists["train"].with_name("stat.csv")
    pointers = [path for name in POINTERS for path in named.get(name, ())]
    return RawCremad(clips, lists, labels if labels.is_file() else None, next(iter(pointers), None))


def how_to_get() -> str:
    """What a person must fetch, and what to type then."""
    return (
        f"clone {CREMAD.urls[0]} with git-lfs (there: {PULL}), put train.csv and test.csv from "
        f"{CREMAD_LISTS.urls[0]} beside it, then type "
        "./reproduce.sh data prepare cremad --raw DIR"
    )


def _list(name: str, named: dict[str, list[Path]], looked_in: str) -> Path:
    """The split list of this name; other datasets may have files called so, too."""
    candidates = named.get(name, [])
    if not candidates:
        raise DataError(
            f"{name}, the published split list of CREMA-D, is missing in {looked_in}; "
            f"get it from {CREMAD_LISTS.urls[0]}"
        )
    return next((path for path in candidates if _starts_with_a_clip(path)), candidates[0])


def _starts_with_a_clip(path: Path) -> bool:
    with path.open("rb") as stream:
        start = stream.read(32).decode("utf-8-sig", "replace")
    return CLIP.match(start) is not None
