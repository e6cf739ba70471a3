"""Finds, verifies and reads the raw files of AV-MNIST: four MNIST files, the recordings of FSDD."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datasets.avmnist.recordings import ARCHIVE_SUFFIXES, Clip, digest, read_recordings
from datasets.avmnist.spec import (
    ARCHIVE_FILE,
    FSDD,
    OTHER_VERSIONS,
    PARTS,
    SOURCES,
    SPEAKERS,
    TAKES,
)
from datasets.avmnist.spectrogram import RATE_HZ
from datasets.errors import DataError
from datasets.raw.content import read_content
from datasets.raw.drive import fetch_from_drive
from datasets.raw.fetch import fetch
from datasets.raw.find import Search, first_good, search
from datasets.raw.idx import parse_idx
from datasets.raw.wav import parse_wav
from datasets.spec import FetchOptions, Progress
from datasets.store.system import original_name

ASK = "type ./reproduce.sh data prepare avmnist to download it, or name its folder with --raw DIR"
_FSDD_ARCHIVE = re.compile(r"fsdd|spoken.digit|v1\.0\.\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Content:
    """Size in bytes and sha256 of an unpacked file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Release:
    """`identity` enters the fingerprint; empty pins mean that any content is accepted."""

    identity: Mapping[str, str]
    stand_in: bool = False
    idx: Mapping[str, Content] = field(default_factory=dict)
    speakers: tuple[str, ...] = ()
    recordings_sha256: str | None = None
    default_limit: int = 1 << 26

    def limit(self, name: str) -> int:
        """The most bytes that an unpacked idx file may have."""
        return self.idx[name].bytes if name in self.idx else self.default_limit

    def wants(self, clip: Clip) -> bool:
        """Whether this recording is part of the dataset."""
        return not self.speakers or (clip.speaker in self.speakers and clip.take < TAKES)

    def check_idx(self, name: str, content: bytes, where: str) -> str:
        """The sha256 of an unpacked idx file; raises DataError if it is not the pinned one."""
        found, pinned = hashlib.sha256(content).hexdigest(), self.idx.get(name)
        if pinned and (len(content) < pinned.bytes):
            raise DataError(f"{where} is truncated: {len(content)} of {pinned.bytes} bytes")
        if pinned and found != pinned.sha256:
            problem = f"the unpacked content has sha256 {found}, expected {pinned.sha256}"
            raise DataError(f"{where} has a wrong checksum: {problem}; fetch the file again")
        return found

    def check_recordings(self, clips: Mapping[Clip, bytes], where: str) -> str:
        """The digest of the recordings; raises DataError if some are missing or changed."""
        expected = {Clip(d, s, t) for d in range(10) for s in self.speakers for t in range(TAKES)}
        missing = sorted(expected - set(clips))
        if missing:
            problem = f"{len(missing)} of {len(expected)} recordings are missing"
            raise DataError(f"{where}: {problem} (first: {missing[0].file}); fetch FSDD again")
        found = digest(clips)
        if self.recordings_sha256 and found != self.recordings_sha256:
            problem = f"the recordings have digest {found}, expected {self.recordings_sha256}"
            raise DataError(f"{where}: {problem}; fetch FSDD v1.0.10 again")
        return found


PUBLISHED = Release(
    identity={"images": "MNIST", "audio": "FSDD v1.0.10, 4 speakers"},
    idx={
        "train-images-idx3-ubyte": Content(
            47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        "train-labels-idx1-ubyte": Content(
            60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
        "t10k-images-idx3-ubyte": Content(
            7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        "t10k-labels-idx1-ubyte": Content(
            10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    },
    speakers=SPEAKERS,
    recordings_sha256="4336d941788f886649de2caa3f7ca6c6484d20a5e1796f7948fd0e80f50d5312",
)


def stand_in_release(identity: Mapping[str, str]) -> Release:
    """Generated files of any content, which `identity` stands for."""
    return Release(identity, stand_in=True)


@dataclass(frozen=True)
class RawAvMnist:
    """Images (N, 28, 28) and labels (N,), both uint8, per split; samples (T,) int16 per clip."""

    images: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    clips: dict[Clip, np.ndarray]
    sha256: dict[str, str]


@dataclass(frozen=True)
class Found:
    """The files, and the folders and archives that may hold recordings, in the order found."""

    search: Search
    recordings: list[Path]

    def idx(self, name: str) -> list[Path]:
        """The files that may be this idx file, gzipped or not."""
        dotted = name.replace("-idx", ".idx")  # as some unpackers rename it
        names = (f"{name}.gz", name, f"{dotted}.gz", dotted)
        return [path for each in names for path in self.search.named(each)]


def read_raw(places: Sequence[Path], release: Release) -> RawAvMnist:
    """Reads and verifies everything; raises DataError naming the missing or wrong file."""
    found = scan(places)
    images, labels, sha256 = {}, {}, {}
    for part, names in PARTS.items():
        arrays = []
        for name, ndim in zip(names, (3, 1), strict=True):
            array, sha256[name] = _read_idx(name, ndim, found, release)
            arrays.append(array)
        images[part], labels[part] = _checked(part, *arrays)
    clips, sha256["recordings"] = _read_clips(found, release)
    return RawAvMnist(images, labels, clips, sha256)


def scan(places: Sequence[Path]) -> Found:
    """Looks through files, archives and folders, four levels deep."""
    recordings = []
    for place in places:
        folders: dict[Path, None] = {}
        archives = []
        for path in search([place]).files:
            is_archive = original_name(path.name).lower().endswith(ARCHIVE_SUFFIXES)
            if path != place and path.parent.name == "recordings":
                folders[path.parent] = None
            elif is_archive and (path == place or _FSDD_ARCHIVE.search(path.name)):
                archives.append(path)
        recordings += [*folders, *archives]
    return Found(search(places), recordings)


def _read_idx(name: str, ndim: int, found: Found, release: Release) -> tuple[np.ndarray, str]:
    """The array of the first right file, and the sha256 of its unpacked content."""

    def read(path: Path) -> tuple[np.ndarray, str]:
        content = read_content(path, release.limit(name))
        sha256 = release.check_idx(name, content, str(path))
        return parse_idx(content, ndim, str(path)), sha256

    if not (candidates := found.idx(name)):
        raise _missing(f"{name}.gz (MNIST) is missing", [f"{name}.gz", name], found.search)
    return first_good(name, candidates, read)


def _missing(problem: str, names: Sequence[str], found: Search) -> DataError:
    looked_in = ", ".join(map(str, found.places))
    return DataError(f"{problem} in {looked_in}{found.why_missing(names)}; {ASK}")


def _checked(part: str, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if images.shape[1:] != (28, 28) or len(images) != len(labels) or not len(labels):
        raise DataError(f"MNIST {part}: images {images.shape} and labels {labels.shape} do not fit")
    if labels.max() > 9:
        raise DataError(f"MNIST {part}: label {labels.max()} found, digits are 0 to 9")
    return images, labels


def _read_clips(found: Found, release: Release) -> tuple[dict[Clip, np.ndarray], str]:
    """The clips of the first place that has all of them, and their digest."""

    def read(place: Path) -> tuple[dict[Clip, np.ndarray], str]:
        recordings = read_recordings(place, release.wants)
        if not recordings:
            raise DataError(f"{place} holds no recording of FSDD; {ASK}")
        sha256 = release.check_recordings(recordings, str(place))
        clips = {
            clip: parse_wav(content, RATE_HZ, f"{place}: {clip.file}")
            for clip, content in sorted(recordings.items())
        }
        return clips, sha256

    if not found.recordings:
        what = "the FSDD recordings (a recordings folder or an archive of it) are missing"
        raise _missing(what, ["0_jackson_0.wav"], found.search)
    return first_good("the FSDD recordings", found.recordings, read)


def download(folder: Path, fetching: FetchOptions, progress: Progress) -> Path:
    """Brings every raw file into `folder` and returns it; raises DataError if one fails."""
    for source in SOURCES:
        check = _check_fsdd if source == FSDD else None
        fetch(fetching.of(source), folder, check=check, progress=progress)
    return folder


def download_archive(folder: Path) -> Path:
    """The published archive in `folder`; raises DataError if Google Drive does not give it."""
    return fetch_from_drive(next(s for s in OTHER_VERSIONS if s.file == ARCHIVE_FILE), folder)


def _check_fsdd(path: Path) -> None:
    PUBLISHED.check_recordings(read_recordings(path, PUBLISHED.wants), str(path))
