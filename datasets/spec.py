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


PROTOCOLS = ("validation", "published")
"""`validation`: epochs are chosen on samples that are neither trained nor tested on. `published`:
as the released code of this line of work does it, on the test samples themselves."""

THREE_PARTS = {
    "validation": {"train": "train", "val": "val", "test": "test"},
    "published": {"train": "train", "val": "val", "test": "val"},
}
"""Protocol -> split -> official part, of datasets with three parts (UR-Funny, AVE): there the
published code reports what it measures on the validation part (AGM_ICCV2023@5a65542,
run/AVE_main.py:201, tasks/URFunny_task.py:14-19)."""
