"""What UR-Funny looks like, its raw file, and where that comes from."""

from __future__ import annotations

from datasets.spec import DatasetSpec, RawSource


def spec_with(longest: int) -> DatasetSpec:
    """The spec where the longest item has so many words."""
    widths = {"audio": 81, "visual": 371, "text": 300}
    return DatasetSpec("urfunny", {m: (longest, width) for m, width in widths.items()}, 2)


SPEC = spec_with(longest=50)
"""With MultiBench's length; the prepared data says how long its own longest item is."""

STAND_IN_WORDS = 6
FILE = "humor.pkl"
PARTS = {"train": "train", "val": "valid", "test": "test"}
"""Our name of a part -> the file's."""
KEYS = {"audio": "audio", "visual": "vision", "text": "text"}
"""Modality -> the file's name for it."""

_LICENCE = "none stated; TED material (CC BY-NC-ND: unverified)"
_CITATION = (
    "Hasan et al.: UR-FUNNY: A multimodal language dataset for understanding humor, EMNLP 2019"
)
SOURCES = (
    RawSource(
        FILE,
        ("https://drive.google.com/drive/folders/1Agzm157lciMONHOHemHRSySmjn1ahHX1",),
        _LICENCE,
        _CITATION,
        size="1 to 2 GB",
        automatic=True,
        note="MultiBench's file. A pickle can run any program when it is opened: data prepare "
        "reads it with an unpickler that builds arrays and nothing else",
    ),
)
OTHER_VERSIONS = (
    RawSource(
        "UR-FUNNY v1",
        (
            "https://github.com/ROC-HCI/UR-FUNNY/blob/master/UR-FUNNY-V1.md",
            "https://www.dropbox.com/s/izk6khkrdwcncia/ted_humor_sdk_v1.zip",
        ),
        _LICENCE,
        _CITATION,
        size="not stated",
        note="16,514 samples, as the M-SAM paper states (train 10,598, val 2,626, test 3,290: "
        "unverified); the Dropbox link is reported dead",
    ),
    RawSource(
        "UR-FUNNY v2",
        (
            "https://github.com/ROC-HCI/UR-FUNNY",
            "https://www.dropbox.com/sh/9h0pcqmqoplx9p2/AAC8yYikSBVYCSFjm3afFHQva",
            "https://www.dropbox.com/s/lg7kjx0kul3ansq/urfunny2_videos.zip",
        ),
        _LICENCE,
        _CITATION,
        size="not stated",
        note="10,166 samples (train 8,074, val 1,034, test 1,058: unverified): features and raw "
        "videos",
    ),
)
