"""What AV-MNIST looks like, the names in its raw files, and where they come from."""

from __future__ import annotations

from datasets.spec import DatasetSpec, RawSource

NAME, RECIPE_VERSION = "avmnist", 1
SPEC = DatasetSpec(NAME, {"audio": (1, 112, 112), "visual": (1, 28, 28)}, 10)
COMPONENTS = 4
"""Principal components of an image that are stored."""

ARCHIVE_FILE = "avmnist.tar.gz"
"""The published archive; see `datasets.avmnist.archive`."""

SPREADS = {f"scrambled_{percent}": percent / 100 for percent in (1, 2, 3, 10, 20)}
"""Pairings besides the stored ones, with the coefficient of variation of a job's time."""

SPEAKERS = ("jackson", "nicolas", "theo", "yweweler")
TAKES = 50
TEST_TAKES = range(40, 50)
PARTS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
"""Part -> idx files of images and labels, without .gz."""

# The publisher's own address often refuses automatic downloads, so it comes last.
_MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)


def _mnist(file: str, size: int, sha256: str) -> RawSource:
    return RawSource(
        file,
        tuple(mirror + file for mirror in _MNIST_MIRRORS),
        "usually quoted as CC BY-SA 3.0; no licence file of its own",
        "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document "
        "recognition, Proc. IEEE 86(11), 1998",
        bytes=size,
        sha256=sha256,
        automatic=True,
        redistributable=True,
    )


FSDD = RawSource(
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
)
OTHER_VERSIONS = (
    RawSource(
        ARCHIVE_FILE,
        ("https://drive.google.com/file/d/1KvKynJJca5tDtI5Mmp6CoRh9pQywH8Xp",),
        "none stated",
        "Liang et al.: MultiBench, NeurIPS Datasets and Benchmarks 2021",
        size="1.3 GB unpacked",
        note="the arrays that the published numbers come from, most probably; data prepare "
        "rebuilds them from MNIST and FSDD, forensics archive --accept-licence (with gdown) or "
        "--raw FILE tells what is in the file",
    ),
    RawSource(
        "AV-MNIST of MFAS",
        ("https://drive.google.com/file/d/1rbXy_-zlFaTmQApsQwL-8iOxg9insznS",),
        "none stated",
        "Perez-Rua et al.: MFAS: Multimodal fusion architecture search, CVPR 2019",
        size="not stated",
        note="other data: its users report 74 to 75 % for images and 66 % for sound",
    ),
)
