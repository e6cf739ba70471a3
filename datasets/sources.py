"""Where every raw file comes from: address, size, checksum, licence, citation. Data only."""

from __future__ import annotations

from dataclasses import dataclass

_MNIST = (
    "usually quoted as CC BY-SA 3.0; no licence file of its own",
    "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document "
    "recognition, Proc. IEEE 86(11), 1998",
)
# The publisher's own address often refuses automatic downloads, so it comes last.
_MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)


@dataclass(frozen=True)
class RawSource:
    """One raw file, or for data that must be fetched by hand one place to get it from.

    `bytes` and `sha256` are of the file as served, None where the server does not keep it stable;
    `note` says what else a user must know. Only an `automatic` source is ever downloaded.
    """

    dataset: str
    file: str
    urls: tuple[str, ...]
    licence: str
    citation: str
    bytes: int | None = None
    sha256: str | None = None
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
    note="about 16 MB, packed anew by the server; the 2,000 recordings used are checked instead",
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
    RawSource(
        "cremad",
        "AudioWAV/*.wav, VideoFlash/*.flv",
        (
            "https://github.com/CheyneyComputerScience/CREMA-D",
            "https://gitlab.com/cs-cooper-lab/crema-d-mirror",
        ),
        "ODbL 1.0 (database), DbCL 1.0 (contents)",
        "Cao et al.: CREMA-D, IEEE Trans. Affective Computing 5(4), 2014",
        note="git-lfs, 3.7 GB of media; the owners ask users to fill in a form; faces of 91 "
        "identifiable actors, so no frames are shipped",
    ),
    RawSource(
        "urfunny",
        "humor.pkl",
        (
            "https://drive.google.com/drive/folders/1Agzm157lciMONHOHemHRSySmjn1ahHX1",
            "https://github.com/ROC-HCI/UR-FUNNY",
        ),
        "none stated (TED material); not redistributable",
        "Hasan et al.: UR-FUNNY, EMNLP 2019",
        note="a third party's pickle: it must never be loaded with pickle.load",
    ),
    RawSource(
        "ave",
        "audio_feature.h5, visual_feature.h5",
        (
            "https://github.com/YapengTian/AVE-ECCV18",
            "https://drive.google.com/file/d/1F6p4BAOY-i0fDXUOhG7xHuw_fnO5exBS",
            "https://drive.google.com/file/d/1hQwbhutA3fQturduRnHMyfRqdrRHgmC9",
        ),
        "none stated (YouTube material); not redistributable",
        "Tian et al.: Audio-visual event localization in unconstrained videos, ECCV 2018",
        note="precomputed VGGish and VGG-19 features, 7.7 GB",
    ),
)


def sources_of(dataset: str) -> tuple[RawSource, ...]:
    """The raw files of one dataset; empty for an unknown name."""
    return tuple(source for source in SOURCES if source.dataset == dataset)


def describe(source: RawSource) -> str:
    """A source as text for people, several lines."""
    size = f"{source.bytes} bytes, sha256 {source.sha256}" if source.sha256 else source.note
    how = "downloaded by data prepare" if source.automatic else "to be fetched by hand"
    lines = [f"{source.dataset}: {source.file} ({how})", *source.urls, size]
    return "\n  ".join([*lines, f"licence: {source.licence}", f"cite: {source.citation}"])
