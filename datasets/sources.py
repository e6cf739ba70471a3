"""Where every raw file comes from: address, size, checksum, licence, citation. Data only.

What the publishers do not state and nobody could check is marked `unverified`.
"""

from __future__ import annotations

from dataclasses import dataclass

_MNIST = (
    "usually quoted as CC BY-SA 3.0; no licence file of its own",
    "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document "
    "recognition, Proc. IEEE 86(11), 1998",
)
UR_FUNNY = (
    "none stated; TED material (CC BY-NC-ND: unverified)",
    "Hasan et al.: UR-FUNNY: A multimodal language dataset for understanding humor, EMNLP 2019",
)
AVE = (
    "none stated; YouTube material",
    "Tian et al.: Audio-visual event localization in unconstrained videos, ECCV 2018",
)
DRIVE = "https://drive.google.com/"

# The publisher's own address often refuses automatic downloads, so it comes last.
_MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)


@dataclass(frozen=True)
class RawSource:
    """One raw file, or several of one place.

    `bytes` and `sha256` are of the file as served, None where its publishers state none; then
    `size` says it in words. `note` says what else a user must know. Only an `automatic` source is
    ever downloaded; the others need a person.
    """

    dataset: str
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


def _mnist(file: str, size: int, sha256: str) -> RawSource:
    urls = tuple(mirror + file for mirror in _MNIST_MIRRORS)
    return RawSource(
        "avmnist",
        file,
        urls,
        *_MNIST,
        bytes=size,
        sha256=sha256,
        automatic=True,
        redistributable=True,
    )


FSDD = RawSource(
    "avmnist",
    "free-spoken-digit-dataset-1.0.10.tar.gz",
    (
        "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",
        "https://codeload.github.com/Jakobovski/free-spoken-digit-dataset/tar.gz/refs/tags/v1.0.10",
    ),
    "CC BY-SA 4.0",
    "Jackson et al.: Free Spoken Digit Dataset, v1.0.10",
    automatic=True,
    redistributable=True,
    size="about 16 MB",
    note="packed anew by the server, so the 2,000 recordings that are used are checked instead",
)

CREMAD = RawSource(
    "cremad",
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

CREMAD_LISTS = RawSource(
    "cremad",
    "train.csv, test.csv, stat.csv",
    ("https://github.com/GeWu-Lab/OGM-GE_CVPR2022/tree/main/data/CREMAD",),
    "MIT (its licence file; its README says GPL-3)",
    "Peng et al.: Balanced multimodal learning via on-the-fly gradient modulation, CVPR 2022",
    size="156 kB",
    redistributable=True,
    note="the split that this line of work uses: 6,698 and 744 clips, all 91 actors in both",
)

SOURCES = (
    _mnist(
        "train-images-idx3-ubyte.gz",
        9912422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    _mnist(
        "train-labels-idx1-ubyte.gz",
        28881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    _mnist(
        "t10k-images-idx3-ubyte.gz",
        1648877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    _mnist(
        "t10k-labels-idx1-ubyte.gz",
        4542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    FSDD,
    CREMAD,
    CREMAD_LISTS,
    RawSource(
        "urfunny",
        "humor.pkl",
        (f"{DRIVE}drive/folders/1Agzm157lciMONHOHemHRSySmjn1ahHX1",),
        *UR_FUNNY,
        size="1 to 2 GB",
        note="MultiBench's file. A pickle can run any program when it is opened: data prepare "
        "reads it with an unpickler that builds arrays and nothing else",
    ),
    RawSource(
        "ave",
        "Annotations.txt, train_order.h5, val_order.h5, test_order.h5",
        ("https://github.com/YapengTian/AVE-ECCV18/tree/master/data",),
        *AVE,
        size="184 kB",
        note="the labels of all seconds follow from Annotations.txt",
    ),
    RawSource(
        "ave",
        "audio_feature.h5",
        (f"{DRIVE}file/d/1F6p4BAOY-i0fDXUOhG7xHuw_fnO5exBS",),
        *AVE,
        size="not stated",
        note="VGGish features (4143, 10, 128)",
    ),
    RawSource(
        "ave",
        "visual_feature.h5",
        (f"{DRIVE}file/d/1hQwbhutA3fQturduRnHMyfRqdrRHgmC9",),
        *AVE,
        size="7.7 GB",
        note="VGG-19 features (4143, 10, 7, 7, 512)",
    ),
)


def sources_of(dataset: str) -> tuple[RawSource, ...]:
    """The raw files that the preparation of a dataset reads; empty for an unknown name."""
    return tuple(source for source in SOURCES if source.dataset == dataset)
