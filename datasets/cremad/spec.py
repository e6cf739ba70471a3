"""What CREMA-D looks like, the names in its files, and where they come from."""

from __future__ import annotations

from datasets.spec import DatasetSpec, RawSource

NAME, RECIPE_VERSION = "cremad", 1
LABELS = ("NEU", "HAP", "SAD", "FEA", "DIS", "ANG")
"""Class 0 to 5, as in the published code."""

FRONT_ENDS = {"257x299": (1, 257, 299), "257x188": (1, 257, 188)}
PARTS = ("train", "test")
KINDS = {"wav": "AudioWAV", "flv": "VideoFlash"}
PULL = "git lfs pull --include 'AudioWAV/*,VideoFlash/*'"
IMAGE_SIZE, STAND_IN_IMAGE_SIZE = 224, 56


def spec_with(image_size: int, front_end: str = "257x299") -> DatasetSpec:
    """The spec with pictures of this size and the spectrogram of this front end."""
    shapes = {"audio": FRONT_ENDS[front_end], "visual": (3, image_size, image_size)}
    return DatasetSpec(NAME, shapes, len(LABELS))


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
    note="a git repository with git-lfs; a full clone is 7.55 GB. Cloned without git-lfs it holds "
    "pointers of 130 bytes: enough for data audit. The owners ask users to fill in a form. The "
    "licence allows copies under the same licence, but they show the faces of 91 identifiable "
    "people",
)
LISTS = RawSource(
    "train.csv, test.csv, stat.csv",
    ("https://github.com/GeWu-Lab/OGM-GE_CVPR2022/tree/main/data/CREMAD",),
    "MIT (its licence file; its README says GPL-3)",
    "Peng et al.: Balanced multimodal learning via on-the-fly gradient modulation, CVPR 2022",
    size="156 kB",
    redistributable=True,
    note="the split that this line of work uses: 6,698 and 744 clips, all 91 actors in both",
)
