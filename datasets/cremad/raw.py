"""Finds and reads the raw files of CREMA-D.

These are a clone of its repository, the published split lists, and the official size and sha256
of every file.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.cremad.spec import CLIPS, KINDS, LABELS, LISTS, PARTS, PULL
from datasets.errors import DataError
from datasets.raw.find import all_files
from datasets.raw.idx import read_content
from datasets.store.manifest import file_sha256

POINTERS = ("cremad_lfs_manifest.csv.gz", "cremad_lfs_manifest.csv")
CLIP = re.compile(r"(?P<actor>\d{4})_[A-Z]{3}_(?P<emotion>[A-Z]{3})_[A-Z]{1,2}", re.ASCII)
"""`1001_DFA_ANG_XX`: actor, sentence, emotion, level."""

POINTERS_BYTES = 1 << 25
"""Far more than a line for each of the 7,442 clips takes."""


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
                raise DataError(f"{where}: {clip} is listed already in {seen[clip]}")
            seen[clip] = where
            parts[part].append(clip)
        if not parts[part]:
            raise DataError(f"{paths[part]} lists no clip; it is damaged")
    return parts


def check_label_list(path: Path) -> None:
    """Raises DataError unless stat.csv lists exactly the six emotions."""
    found = [line.strip(",") for line in _lines(path)]
    if sorted(found) != sorted(LABELS):
        raise DataError(f"{path} lists {', '.join(found)}; the emotions are {', '.join(LABELS)}")


def read_pointers(path: Path) -> Pointers:
    """The official size and sha256 of each file, from a CSV file, plain or gzipped.

    Columns: clip, wav_bytes, wav_sha256, flv_bytes, flv_sha256, in any order among others.
    """
    try:
        text = read_content(path, POINTERS_BYTES).decode()
        rows = csv.DictReader(io.StringIO(text))
        if not rows.fieldnames:
            raise ValueError("the file is empty")
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
    return LABELS.index(CLIP.fullmatch(clip)["emotion"])


def actor_of(clip: str) -> int:
    """The actor of a clip, 1001 to 1091."""
    return int(CLIP.fullmatch(clip)["actor"])


def _lines(path: Path) -> Iterable[str]:
    """The lines of a list; the published ones end in CR LF, and one starts with a BOM."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}; fetch it again") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _checked_clip(line: str, where: str) -> str:
    clip, _, label = line.partition(",")
    name = CLIP.fullmatch(clip)
    if name is None or label not in LABELS:
        expected = "expected as 1001_DFA_ANG_XX,ANG"
        raise DataError(f"{where}: {line[:60]!r} is not a clip with its emotion; {expected}")
    if name["emotion"] != label:
        raise DataError(f"{where}: label {label}, but the name {clip} says {name['emotion']}")
    return clip


POINTER_BYTES = 1024
"""A pointer is shorter (git-lfs, docs/spec.md)."""

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:\S+ [^\n]*\n)*?"
    rb"oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})\n"
)


def pointer_in(content: bytes) -> Pointer | None:
    """What a pointer file with this content stands for, or None for another file."""
    match = _POINTER.fullmatch(content) if len(content) < POINTER_BYTES else None
    return Pointer(int(match[2]), match[1].decode()) if match else None


def is_pointer(path: Path) -> bool:
    """Whether a file is a pointer and not what it points to."""
    return pointer_in(_start(path)) is not None


def pointers_of(files: Mapping[tuple[str, str], Path]) -> Pointers:
    """Size and sha256 of each file, from its pointer or measured; raises DataError."""
    return {key: _pointer_to(path) for key, path in files.items()}


def _pointer_to(path: Path) -> Pointer:
    digest = file_sha256(path)
    return pointer_in(_start(path)) or Pointer(path.stat().st_size, digest)


def _start(path: Path) -> bytes:
    """Enough of a file to tell whether it is a pointer."""
    with path.open("rb") as stream:
        return stream.read(POINTER_BYTES)


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
        f"clone {CLIPS.urls[0]} with git-lfs (there: {PULL}), put train.csv and test.csv from "
        f"{LISTS.urls[0]} beside it, then type "
        "./reproduce.sh data prepare cremad --raw DIR"
    )


def _list(name: str, named: dict[str, list[Path]], looked_in: str) -> Path:
    """The split list of this name; other datasets may have files called so, too."""
    candidates = named.get(name, [])
    if not candidates:
        raise DataError(
            f"{name}, the published split list of CREMA-D, is missing in {looked_in}; "
            f"get it from {LISTS.urls[0]}"
        )
    return next((path for path in candidates if _starts_with_a_clip(path)), candidates[0])


def _starts_with_a_clip(path: Path) -> bool:
    with path.open("rb") as stream:
        start = stream.read(32).decode("utf-8-sig", "replace")
    return CLIP.match(start) is not None
