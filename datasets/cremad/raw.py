"""Finds and reads the raw files of CREMA-D.

These are a clone of its repository, the published split lists, and the official size and sha256
of every file.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from datasets.cremad.spec import CLIPS, KINDS, LABELS, LISTS_FOLDER, PARTS, PULL
from datasets.errors import DataError
from datasets.raw.content import read_text, unreadable
from datasets.raw.find import Search, first_good, search
from datasets.store.manifest import file_sha256
from datasets.store.system import original_name

OFFICIAL = Path(__file__).with_name("official_checksums.csv.gz")
"""Sizes and SHA-256 sums that the git-lfs pointers of the official repository state."""
POINTERS = ("cremad_lfs_manifest.csv.gz", "cremad_lfs_manifest.csv")
CLIP = re.compile(r"(?P<actor>\d{4})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_[A-Z]{1,2}", re.ASCII)
"""`1001_DFA_ANG_XX`: actor, sentence, emotion, level."""


@dataclass(frozen=True)
class Pointer:
    """Size in bytes and sha256 of a file as its git-lfs pointer states them."""

    bytes: int
    sha256: str


Pointers = Mapping[tuple[str, str], Pointer]  # by clip and kind of file


def read_split_lists(paths: Mapping[str, Path]) -> dict[str, list[str]]:
    """The clips of `train` and `test` in the order of their lists.

    Raises DataError for a line that is not a clip with its emotion, and for a repeated clip.
    """
    parts: dict[str, list[str]] = {}
    seen: dict[str, str] = {}
    for part in PARTS:
        parts[part] = []
        for number, line in enumerate(_lines(paths[part]), 1):
            where = f"{paths[part]} line {number}"
            clip = _checked_clip(line, where)
            if clip in seen:
                raise DataError(f"{where}: {clip} is already listed in {seen[clip]}")
            seen[clip] = where
            parts[part].append(clip)
        if not parts[part]:
            raise DataError(f"{paths[part]} lists no clip; it is damaged")
    return parts


def check_label_list(path: Path) -> None:
    """Raises DataError unless stat.csv lists exactly the six emotions."""
    found = [line.strip(",").strip() for line in _lines(path)]
    if sorted(found) != sorted(LABELS):
        raise DataError(f"{path} lists {', '.join(found)}; the emotions are {', '.join(LABELS)}")


def read_pointers(path: Path) -> Pointers:
    """The official size and sha256 of each file, from a CSV file, plain or gzipped.

    Columns: clip, wav_bytes, wav_sha256, flv_bytes, flv_sha256, in any order among others.
    """
    try:
        text = read_text(path).lstrip()
        header = text.partition("\n")[0]
        rows = csv.DictReader(io.StringIO(text), delimiter=_separator(header))
        if "clip" not in (rows.fieldnames or ()):
            raise ValueError("it has no column clip")
        return {
            (row["clip"], kind): Pointer(int(row[f"{kind}_bytes"]), row[f"{kind}_sha256"])
            for row in rows
            for kind in KINDS
        }
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        problem = f"{path} is not a list of official sizes and checksums: {error!r}"
        raise DataError(f"{problem}; fetch it again, or leave it out to go without") from error


def label_of(clip: str) -> int:
    """The class of a clip."""
    return LABELS.index(CLIP.fullmatch(clip)["emotion"])  # type: ignore[index]


def actor_of(clip: str) -> int:
    """The actor of a clip, 1001 to 1091."""
    return int(CLIP.fullmatch(clip)["actor"])  # type: ignore[index]


def _lines(path: Path) -> list[str]:
    """The lines of a list, their fields separated by commas and without quotes."""
    lines = [line.replace('"', "").strip() for line in read_text(path).splitlines()]
    return [line.replace(_separator(line), ",") for line in lines if line]


def _separator(line: str) -> str:
    """What separates the fields of a line: spreadsheets write semicolons or tabs, too."""
    return max(",;\t", key=line.count)


def _checked_clip(line: str, where: str) -> str:
    clip, _, label = (field.strip() for field in line.partition(","))
    name = CLIP.fullmatch(clip)
    if name is None or label not in LABELS:
        expected = "expected as 1001_DFA_ANG_XX,ANG"
        raise DataError(f"{where}: {line[:60]!r} is not a clip with its emotion; {expected}")
    if name["emotion"] != label:
        raise DataError(f"{where}: label {label}, but the file name {clip} says {name['emotion']}")
    return clip


POINTER_BYTES = 1024
"""A pointer is shorter (git-lfs, docs/spec.md)."""

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\r?\n(?:\S+ [^\n]*\n)*?"
    rb"oid sha256:([0-9a-f]{64})\r?\nsize ([0-9]{1,15})\r?\n"
)


def pointer_in(content: bytes) -> Pointer | None:
    """What a pointer file with this content stands for, or None for another file."""
    match = _POINTER.fullmatch(content) if len(content) < POINTER_BYTES else None
    return Pointer(int(match[2]), match[1].decode()) if match else None


def is_pointer(path: Path) -> bool:
    """Whether a file is a pointer and not what it points to."""
    return pointer_in(_start(path)) is not None


def pointers_of(files: Mapping[tuple[str, str], Sequence[Path]]) -> Pointers:
    """Size and sha256 of each file, from its pointer or measured; raises DataError."""
    return {key: _pointer_to(best_of(paths)) for key, paths in files.items()}


def best_of(paths: Sequence[Path]) -> Path:
    """The first file that is no pointer; without one, the first."""
    return next((path for path in paths if not is_pointer(path)), paths[0])


def _pointer_to(path: Path) -> Pointer:
    digest = file_sha256(path)
    return pointer_in(_start(path)) or Pointer(path.stat().st_size, digest)


def _start(path: Path) -> bytes:
    """Enough of a file to tell whether it is a pointer."""
    try:
        with path.open("rb") as stream:
            return stream.read(POINTER_BYTES)
    except OSError as error:
        raise unreadable(path, error) from error


@dataclass(frozen=True)
class RawCremad:
    """All `files` by (clip, `wav` or `flv`); `lists` by split; `labels` is stat.csv."""

    files: dict[tuple[str, str], list[Path]]
    lists: dict[str, Path]
    labels: Path | None
    pointers: Path | None


def find_raw(places: Sequence[Path]) -> RawCremad:
    """Looks through files and folders, four levels deep.

    Of several lists of one name, those that can be read and fit each other. Raises DataError if a
    place or a split list is missing.
    """
    found, clips = search(places), defaultdict(list)
    for path in found.files:
        clip, _, kind = original_name(path.name).rpartition(".")
        if kind.lower() in KINDS and CLIP.fullmatch(clip):
            clips[clip, kind.lower()].append(path)
    lists = _lists(found)
    labels = lists["train"].with_name("stat.csv")
    sums = [path for name in POINTERS for path in found.named(name)]
    return RawCremad(
        dict(clips),
        lists,
        labels if labels.is_file() else None,
        first_good(POINTERS[0], sums, _readable_sums) if sums else None,
    )


def how_to_get() -> str:
    """What to type to download the files, and how to fetch them by hand."""
    return (
        "type ./reproduce.sh data prepare cremad --accept-licence to download what is missing; "
        f"or clone {CLIPS.urls[0]} with git-lfs (there: {PULL}; if its git-lfs budget is used up, "
        f"clone the mirror {CLIPS.urls[1]}), put train.csv and test.csv from {LISTS_FOLDER} "
        "beside it, then type "
        "./reproduce.sh data prepare cremad --raw DIR"
    )


def _lists(found: Search) -> dict[str, Path]:
    """The split lists; other datasets may have files called so, too."""
    candidates = []
    for part in PARTS:
        named = found.named(name := f"{part}.csv")
        if not named:
            raise DataError(
                f"{name}, the published split list of CREMA-D, is missing in "
                f"{', '.join(map(str, found.places))}{found.why_missing([name])}; "
                f"get it from {LISTS_FOLDER}"
            )
        candidates.append([path for path in named if _starts_with_a_clip(path)] or named[:1])
    together = sorted(product(*candidates), key=lambda pair: len({path.parent for path in pair}))
    return first_good("train.csv and test.csv", together, _fitting_lists)


def _fitting_lists(paths: Sequence[Path]) -> dict[str, Path]:
    lists = dict(zip(PARTS, paths, strict=True))
    read_split_lists(lists)
    return lists


def _starts_with_a_clip(path: Path) -> bool:
    try:
        return CLIP.match(next(iter(_lines(path)), "")) is not None
    except DataError:
        return False


def _readable_sums(path: Path) -> Path:
    read_pointers(path)
    return path
