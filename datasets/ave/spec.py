"""What AVE looks like, what its raw files must contain, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from datasets.spec import DatasetSpec, RawSource

SECONDS = 10
PARTS = ("train", "val", "test")
FEATURES = {"audio": "audio_feature.h5", "visual": "visual_feature.h5"}
ORDERS = {part: f"{part}_order.h5" for part in PARTS}
ANNOTATIONS = "Annotations.txt"
LABELS = ("labels.h5", "right_labels.h5", "right_label.h5")
"""Published labels; the repaired ones go by two names. They are compared, not used."""


@dataclass(frozen=True)
class Release:
    """Clips per part, the shape of one clip's features, and the number of event categories."""

    clips: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]
    categories: int

    @property
    def rows(self) -> int:
        """Clips of all parts together, the rows of every array."""
        return sum(self.clips.values())

    @property
    def spec(self) -> DatasetSpec:
        """The shapes, and the events with background as one more class."""
        return DatasetSpec("ave", dict(self.shapes), self.categories + 1, SECONDS)


PUBLISHED = Release(
    clips={"train": 3339, "val": 402, "test": 402},
    shapes={"audio": (SECONDS, 128), "visual": (SECONDS, 7, 7, 512)},
    categories=28,
)
STAND_IN = Release(
    clips={"train": 640, "val": 128, "test": 256},
    shapes={"audio": (SECONDS, 128), "visual": (SECONDS, 2, 2, 32)},
    categories=6,
)

_DRIVE = "https://drive.google.com/"
_LICENCE = "none stated; YouTube material"
_CITATION = "Tian et al.: Audio-visual event localization in unconstrained videos, ECCV 2018"


def _small(file: str, size: int, sha256: str, note: str = "") -> RawSource:
    return RawSource(
        file,
        (f"https://raw.githubusercontent.com/YapengTian/AVE-ECCV18/master/data/{file}",),
        _LICENCE,
        _CITATION,
        bytes=size,
        sha256=sha256,
        automatic=True,
        note=note,
    )


SOURCES = (
    _small(
        ANNOTATIONS,
        144287,
        "0d24a9ec5cd4ceb779ebd83d74e83ec8e55c5e468cede3f320fb57346c9dd321",
        "the labels of all seconds follow from it",
    ),
    _small(
        ORDERS["train"],
        28856,
        "a216fcdd02782ba9d10c9ea79116120eb3be467740e58290e1b340d42a590456",
    ),
    _small(
        ORDERS["val"],
        5360,
        "5692aec0efb30e4efa49a867a902c1993b4c88a7d3ec19879349e540e7a5d9ca",
    ),
    _small(
        ORDERS["test"],
        5360,
        "f9bb79defc1f784ca5dda9cdd3ee52af6d24ccb399a1cfab6bf0d373f5681076",
    ),
    RawSource(
        "audio_feature.h5",
        (f"{_DRIVE}file/d/1F6p4BAOY-i0fDXUOhG7xHuw_fnO5exBS",),
        _LICENCE,
        _CITATION,
        size="not stated",
        automatic=True,
        note="VGGish features (4143, 10, 128)",
    ),
    RawSource(
        "visual_feature.h5",
        (f"{_DRIVE}file/d/1hQwbhutA3fQturduRnHMyfRqdrRHgmC9",),
        _LICENCE,
        _CITATION,
        size="7.7 GB",
        automatic=True,
        note="VGG-19 features (4143, 10, 7, 7, 512)",
    ),
)
OTHER_VERSIONS = (
    RawSource(
        "right_label.h5",
        (f"{_DRIVE}drive/folders/1q8GYBqfkyDDAnVMClrMTXR9YzH9UPcSM",),
        "none stated",
        "Zhou et al.: Positive sample propagation along the audio-visual event line, CVPR 2021",
        size="not stated",
        note="a repaired labels.h5, which the published code opens as right_labels.h5; if it lies "
        "beside the features, data prepare compares it with the labels from Annotations.txt",
    ),
    RawSource(
        "4,097 videos (mp4)",
        (f"{_DRIVE}file/d/1FjKwe79e0u96vdjIVwfRQ1V6SoDHe7kK",),
        _LICENCE,
        _CITATION,
        size="not stated",
        note="for the other AVE task, 28 classes a clip from frames and spectrograms; its numbers "
        "cannot be compared with those of 29 classes a second",
    ),
)
