"""What each loadable dataset looks like; free of torch, so that listing costs nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetSpec:
    """Shapes and classes of one dataset.

    `shapes` maps each modality to the shape of one sample, in the order of the tables' columns.
    """

    name: str
    shapes: dict[str, tuple[int, ...]]
    classes: int

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities, in the order of the tables' columns."""
        return tuple(self.shapes)
