"""What a raw release of AV-MNIST must contain: the published one, pinned, or a generated one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from datasets.avmnist.recordings import Clip, digest
from datasets.avmnist.spec import SPEAKERS, TAKES
from datasets.errors import DataError


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
