"""What the raw files of AVE must contain: the published ones, or generated ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from datasets.ave_annotations import SECONDS

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


PUBLISHED = AveRelease(
    clips={"train": 3339, "val": 402, "test": 402},
    shapes={"audio": (SECONDS, 128), "visual": (SECONDS, 7, 7, 512)},
    categories=28,
)
