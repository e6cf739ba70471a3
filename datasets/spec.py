"""What a dataset looks like and where its raw files come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total); the total is 0 while unknown."""


def silent(stage: str, done: int, total: int) -> None:
    """The progress callback that shows nothing."""


DRIVE = "https://drive.google.com/"


@dataclass(frozen=True)
class DatasetSpec:
    """Shapes and classes of one dataset.

    `shapes` maps each modality to the shape of one sample, in the order of the tables' columns. A
    sample has `segments` labels: one, or one per second where every second is classified.
    """

    name: str
    shapes: dict[str, tuple[int, ...]]
    classes: int
    segments: int = 1

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities, in the order of the tables' columns."""
        return tuple(self.shapes)


@dataclass(frozen=True)
class RawSource:
    """One raw file, or several of one place.

    `bytes` and `sha256` describe the file as served. They are None where its publishers state
    none; then `size` says it in words. `note` tells what else a user must know. Only an
    `automatic` source is ever downloaded; a person fetches the others. One that may not be
    redistributed is downloaded only for users who say that they accept its licence.
    """

    file: str
    urls: tuple[str, ...]
    licence: str
    citation: str
    bytes: int | None = None
    sha256: str | None = None
    size: str = ""
    automatic: bool = False
    redistributable: bool = False
    note: str = ""

    @property
    def on_drive(self) -> bool:
        """Whether it lies on Google Drive, from where only gdown fetches it."""
        return any(url.startswith(DRIVE) for url in self.urls)

    @property
    def needs_consent(self) -> bool:
        """Whether a user must accept the licence before it is downloaded."""
        return self.automatic and not self.redistributable


@dataclass(frozen=True)
class FetchOptions:
    """What a user allows. `mirror` is an address with the same files, tried before the others."""

    accept_licence: bool = False
    mirror: str | None = None

    def of(self, source: RawSource) -> RawSource:
        """The source with the address of its file on the mirror in front."""
        if self.mirror is None:
            return source
        return replace(source, urls=(f"{self.mirror.rstrip('/')}/{source.file}", *source.urls))


NO_CONSENT = FetchOptions()


@dataclass(frozen=True)
class SplitSize:
    """The number of samples in a split.

    `distinct` gives, for modalities whose samples repeat, an upper bound on the different ones.
    """

    samples: int
    distinct: dict[str, int]


PROTOCOLS = ("validation", "published")
"""`validation`: epochs are chosen on samples that are neither trained nor tested on. `published`:
epochs are chosen on the test samples themselves, as the released code of these methods does."""

THREE_PARTS = {
    "validation": {"train": "train", "val": "val", "test": "test"},
    "published": {"train": "train", "val": "val", "test": "val"},
}
"""Protocol -> split -> official part, for datasets with three official parts. The published code
reports what it measures on the validation part (AGM_ICCV2023@5a65542, run/AVE_main.py:201,
tasks/URFunny_task.py:14-19)."""
