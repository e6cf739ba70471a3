"""What CREMA-D looks like, the names in its files, and where they come from."""

from __future__ import annotations

from datasets.spec import DatasetSpec, RawSource

NAME, RECIPE_VERSION = "cremad", 1
LABELS = ("NEU", "HAP", "SAD", "FEA", "DIS", "ANG")
"""Class 0 to 5, as in the published code."""

FRONT_ENDS = {"257x299": (1, 257, 299), "257x188": (1, 257, 188)}
PARTS = ("train", "test")
FOLDS = {f"fold_{number}": number for number in range(1, 6)}
"""Protocols of a cross-validation over actors, and the number of the group that is tested on."""

ACTOR_PROTOCOLS = ("actor_disjoint", "tfds", *FOLDS)
"""No actor is in two splits; see `datasets.cremad.splits`."""
KINDS = {"wav": "AudioWAV", "flv": "VideoFlash"}
PULL = "git lfs pull --include 'AudioWAV/*,VideoFlash/*'"
IMAGE_SIZE, STAND_IN_IMAGE_SIZE = 224, 56


def spec_with(image_size: int, front_end: str = "257x299") -> DatasetSpec:
    """The spec with pictures of this size and the spectrogram of this front end."""
    shapes = {"audio": FRONT_ENDS[front_end], "visual": (3, image_size, image_size)}
    return DatasetSpec(NAME, shapes, len(LABELS))  # type: ignore[arg-type]


# With git-lfs, the first of these gives a file itself, as the second does; an address of the
# repository's own pages gives the pointer.
CLIP_ADDRESSES = (
    "https://media.githubusercontent.com/media/CheyneyComputerScience/CREMA-D/master",
    "https://gitlab.com/cs-cooper-lab/crema-d-mirror/-/raw/master",
)
CLIPS = RawSource(
    "AudioWAV/*.wav, VideoFlash/*.flv",
    (
        "https://github.com/CheyneyComputerScience/CREMA-D",
        "https://gitlab.com/cs-cooper-lab/crema-d-mirror",
    ),
    "ODbL 1.0 (database), DbCL 1.0 (contents)",
    "Cao et al.: CREMA-D: Crowd-sourced emotional multimodal actors dataset, IEEE Trans. Affective "
    "Computing 5(4), 2014",
    size="606 MB + 2.44 GB",
    automatic=True,
    note="14,884 files of a git repository with git-lfs; a full clone is 7.55 GB. Cloned without "
    "git-lfs it holds pointers of 130 bytes: enough for data audit. The owners ask users to fill "
    "in a form. The licence allows copies under the same licence, but they show the faces of 91 "
    "identifiable people",
)
_LISTS = "https://raw.githubusercontent.com/GeWu-Lab/OGM-GE_CVPR2022/main/data/CREMAD/"


def _list(file: str, size: int, sha256: str, note: str) -> RawSource:
    return RawSource(
        file,
        (_LISTS + file,),
        "MIT (its licence file; its README says GPL-3)",
        "Peng et al.: Balanced multimodal learning via on-the-fly gradient modulation, CVPR 2022",
        bytes=size,
        sha256=sha256,
        automatic=True,
        redistributable=True,
        note=note,
    )


LISTS = (
    _list(
        "train.csv",
        140658,
        "68d0d3fd253830328fc92c68f3cf2e215db8c5b86757ad9c5112d2c76ba68bde",
        "the split that this line of work uses: 6,698 clips, and 744 in test.csv; all 91 actors in "
        "both",
    ),
    _list(
        "test.csv",
        15624,
        "14866c99301fd56fb4a16f8a7048a8a6372a47069aee9f216443bc718be45f1f",
        "",
    ),
    _list(
        "stat.csv",
        33,
        "827044c2e7dae878abf30db1a789dcedac2ae260df34d62e6c28c9f8ed82546c",
        "the six emotions, which are compared with ours",
    ),
)
LISTS_FOLDER = "https://github.com/GeWu-Lab/OGM-GE_CVPR2022/tree/main/data/CREMAD"
