"""Downloads one file: mirrors, resumption, verification, and the final name only when right."""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datasets.errors import DataError
from datasets.loader import Progress, silent

CHUNK_BYTES = 1 << 18
MAX_BYTES = 1 << 28
"""More than any raw file fetched here: the limit for a server that never stops sending."""
ATTEMPTS = 10
TIMEOUT_S = 30
_TRANSPORT = (ConnectionError, TimeoutError, ssl.SSLError)
_NETWORK = (urllib.error.URLError, http.client.HTTPException, *_TRANSPORT)

Check = Callable[[Path], object]


def fetch(
    source: RawSource, folder: Path, *, check: Check | None = None, progress: Progress = silent
) -> Path:
    """The verified file in `folder`, downloaded unless it is there already.

    Tries each address in turn; a broken connection is resumed. `check` raises DataError for
    content that no checksum pins. Raises DataError with what went wrong at each address.
    """
    target, part = folder / source.file, folder / f"{source.file}.part"
    if target.exists() and problem_with(target, source, check) is None:
        return target
    failures = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for url in source.urls:
            failure = _from_mirror(url, part, source, check, progress)
            if failure is None:
                os.replace(part, target)
                return target
            failures.append(f"{url}: {failure}")
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror or error}") from error
    raise DataError(
        f"cannot download {source.file}: {'; '.join(failures)}. Without a network, bring the file "
        "here yourself and name its folder with --raw DIR"
    )


def problem_with(path: Path, source: RawSource, check: Check | None = None) -> str | None:
    """Why a file is not the one described, or None if it is."""
    size = path.stat().st_size
    if source.bytes is not None and size != source.bytes:
        return f"it has {size} bytes, expected {source.bytes}"
    if size > MAX_BYTES:
        return f"it is over the limit of {MAX_BYTES} bytes"
    if source.sha256 is not None:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != source.sha256:
            return f"wrong checksum: sha256 {found}, expected {source.sha256}"
    try:
        if check:
            check(path)
    except DataError as error:
        return str(error)
    return None


def _from_mirror(
    url: str, part: Path, source: RawSource, check: Check | None, progress: Progress
) -> str | None:
    """Fills `part` from one address; returns why that failed, or None.

    What a broken connection left stays, to be resumed; wrong content is removed.
    """
    failure = _download(url, part, source, progress)
    if failure is not None:
        return failure
    wrong = problem_with(part, source, check)
    if wrong is not None:
        part.unlink()
    return wrong


def _download(url: str, part: Path, source: RawSource, progress: Progress) -> str | None:
    """Connects again for as long as every connection brings something new."""
    failure = None
    for _ in range(ATTEMPTS):
        before = _size(part)
        if before and before == source.bytes:
            return None
        failure = _transfer(url, part, source, progress)
        if failure is None or _size(part) == before:
            return failure
    return failure


def _transfer(url: str, part: Path, source: RawSource, progress: Progress) -> str | None:
    """Appends to `part` what one connection brings; returns why it ended early, or None."""
    start = _size(part)
    headers = {"Range": f"bytes={start}-"} if start else {}
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return _save(response, part, start, source, progress)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)  # what is there belongs to another file: start over
        return f"the server answers {error.code} {error.reason}"
    except _NETWORK as error:
        return f"no connection ({getattr(error, 'reason', error) or type(error).__name__})"


def _save(
    response: http.client.HTTPResponse,
    part: Path,
    start: int,
    source: RawSource,
    progress: Progress,
) -> str | None:
    resumed = (response.headers.get("Content-Range") or "").startswith(f"bytes {start}-")
    done = start if resumed and response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
    length = response.headers.get("Content-Length") or ""
    total = done + int(length) if length.isdecimal() else source.bytes or 0
    limit = source.bytes or MAX_BYTES
    with part.open("ab" if done else "wb") as stream:
        while done <= limit and (chunk := response.read(CHUNK_BYTES)):
            stream.write(chunk)
            done += len(chunk)
            progress(f"downloading {source.file}", done, total)
        stream.flush()
        os.fsync(stream.fileno())
    broke = done < min(total, limit)
    return f"the connection broke after {done} of {total} bytes" if broke else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


AVE = (
    "none stated; YouTube material",
    "Tian et al.: Audio-visual event localization in unconstrained videos, ECCV 2018",
)
DRIVE = "https://drive.google.com/"


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


UR_FUNNY = (
    "none stated; TED material (CC BY-NC-ND: unverified)",
    "Hasan et al.: UR-FUNNY: A multimodal language dataset for understanding humor, EMNLP 2019",
)

OTHER_VERSIONS = (
    RawSource(
        "avmnist",
        "avmnist.tar.gz",
        (f"{DRIVE}file/d/1KvKynJJca5tDtI5Mmp6CoRh9pQywH8Xp",),
        "none stated",
        "Liang et al.: MultiBench, NeurIPS Datasets and Benchmarks 2021",
        size="1.3 GB unpacked",
        note="the arrays that the published numbers come from, most probably; data prepare "
        "rebuilds them from MNIST and FSDD",
    ),
    RawSource(
        "avmnist",
        "AV-MNIST of MFAS",
        (f"{DRIVE}file/d/1rbXy_-zlFaTmQApsQwL-8iOxg9insznS",),
        "none stated",
        "Perez-Rua et al.: MFAS: Multimodal fusion architecture search, CVPR 2019",
        size="not stated",
        note="other data: its users report 74 to 75 % for images and 66 % for sound",
    ),
    RawSource(
        "urfunny",
        "UR-FUNNY v1",
        (
            "https://github.com/ROC-HCI/UR-FUNNY/blob/master/UR-FUNNY-V1.md",
            "https://www.dropbox.com/s/izk6khkrdwcncia/ted_humor_sdk_v1.zip",
        ),
        *UR_FUNNY,
        size="not stated",
        note="16,514 samples, as the M-SAM paper states (train 10,598, val 2,626, test 3,290: "
        "unverified); the Dropbox link is reported dead",
    ),
    RawSource(
        "urfunny",
        "UR-FUNNY v2",
        (
            "https://github.com/ROC-HCI/UR-FUNNY",
            "https://www.dropbox.com/sh/9h0pcqmqoplx9p2/AAC8yYikSBVYCSFjm3afFHQva",
            "https://www.dropbox.com/s/lg7kjx0kul3ansq/urfunny2_videos.zip",
        ),
        *UR_FUNNY,
        size="not stated",
        note="10,166 samples (train 8,074, val 1,034, test 1,058: unverified): features and raw "
        "videos",
    ),
    RawSource(
        "ave",
        "right_label.h5",
        (f"{DRIVE}drive/folders/1q8GYBqfkyDDAnVMClrMTXR9YzH9UPcSM",),
        "none stated",
        "Zhou et al.: Positive sample propagation along the audio-visual event line, CVPR 2021",
        size="not stated",
        note="a repaired labels.h5, which the published code opens as right_labels.h5; if it lies "
        "beside the features, data prepare compares it with the labels from Annotations.txt",
    ),
    RawSource(
        "ave",
        "4,097 videos (mp4)",
        (f"{DRIVE}file/d/1FjKwe79e0u96vdjIVwfRQ1V6SoDHe7kK",),
        *AVE,
        size="not stated",
        note="for the other AVE task, 28 classes a clip from frames and spectrograms; its numbers "
        "cannot be compared with those of 29 classes a second",
    ),
)

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
