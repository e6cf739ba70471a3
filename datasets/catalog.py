"""What each loadable dataset looks like; free of torch, so that listing costs nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetSpec:
    """Shapes and classes of one dataset.

    `shapes` maps each modality to the shape of one sample, in the order of the tables' columns. A
    sample has `segments` labels: one, or as many as the seconds that are classified one by one.
    """

    name: str
    shapes: dict[str, tuple[int, ...]]
    classes: int
    segments: int = 1

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities, in the order of the tables' columns."""
        return tuple(self.shapes)
