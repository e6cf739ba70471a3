"""What the raw files of AVE must contain: the published ones, or generated ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from datasets.errors import DataError

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class AveRelease:
    """Clips per split, the shape of one clip's features, and the number of event categories.

    `identity` stands for the raw files in the fingerprint of generated data.
    """

    clips: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]
    categories: int
    identity: Mapping[str, str] = field(default_factory=dict)

    @property
    def stand_in(self) -> bool:
        """Whether the files are generated."""
        return bool(self.identity)

    @property
    def seconds(self) -> int:
        """The labels of a clip."""
        return SECONDS

    @property
    def rows(self) -> int:
        """Clips of all splits together, the rows of every array."""
        return sum(self.clips.values())


SECONDS = 10

PUBLISHED = AveRelease(
    clips={"train": 3339, "val": 402, "test": 402},
    shapes={"audio": (SECONDS, 128), "visual": (SECONDS, 7, 7, 512)},
    categories=28,
)
HEADER = "Category&"  # some copies of the file begin with the names of its columns


class Annotation(NamedTuple):
    """One clip of 10 s. Its event can be seen and heard in the seconds [start, end).

    One published clip has an empty event, 0 to 0.
    """

    category: str
    video_id: str
    quality: str
    start: int
    end: int


def read_annotations(path: Path) -> list[Annotation]:
    """The clips in the order of the file, which is that of the published features' rows.

    A video may occur several times. Raises DataError naming the first wrong line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise DataError(f"{path} cannot be read: {reason}; fetch the file again") from error
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if numbered and numbered[0][1].startswith(HEADER):
        del numbered[0]
    if not numbered:
        raise DataError(f"{path} holds no annotation; expected lines {_form()}")
    return [_parsed(line, f"{path}, line {number}") for number, line in numbered]


def categories(annotations: Sequence[Annotation]) -> tuple[str, ...]:
    """The event categories, numbered by first appearance; the next number means background."""
    return tuple(dict.fromkeys(annotation.category for annotation in annotations))


def _parsed(line: str, where: str) -> Annotation:
    fields = [field.strip() for field in line.split("&")]
    if len(fields) != len(Annotation._fields) or not all(fields):
        raise DataError(f"{where}: found {line[:80]!r}; expected {_form()}")
    category, video_id, quality, start, end = fields
    if not (_is_second(start) and _is_second(end) and int(start) <= int(end)):
        raise DataError(
            f"{where}: the event lasts from {start} to {end}; "
            f"expected whole seconds, 0 <= start <= end <= {SECONDS}"
        )
    return Annotation(category, video_id, quality, int(start), int(end))


def _is_second(text: str) -> bool:
    return text.isdecimal() and len(text) <= len(str(SECONDS)) and int(text) <= SECONDS


def _form() -> str:
    return "Category&id&quality&start&end"
