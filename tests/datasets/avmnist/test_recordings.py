"""Recordings are the same from a folder, a tar and a zip; hostile archives do no harm."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from datasets.avmnist.recordings import MAX_CLIP_BYTES, Clip, clip_of, digest, read_recordings
from datasets.errors import DataError

CONTENT = {"0_theo_3.wav": b"zero", "9_jackson_41.wav": b"nine"}
EXPECTED = {Clip(0, "theo", 3): b"zero", Clip(9, "jackson", 41): b"nine"}


def everything(clip: Clip) -> bool:
    return True


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_folder(path: Path, members: Mapping[str, bytes]) -> Path:
    for name, content in members.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return path / "fsdd" / "recordings"


WRITERS = {"tar": write_tar, "zip": write_zip, "folder": write_folder}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_packaging_gives_the_same_recordings(kind: str, tmp_path: Path) -> None:
    members = {f"fsdd/recordings/{name}": content for name, content in CONTENT.items()}
    members["fsdd/recordings/README.md"] = b"no recording"
    place = WRITERS[kind](tmp_path / f"x.{kind}", members)
    assert read_recordings(place, everything) == EXPECTED


@pytest.mark.parametrize("kind", WRITERS)
def test_only_wanted_recordings_are_read(kind: str, tmp_path: Path) -> None:
    members = {f"fsdd/recordings/{name}": content for name, content in CONTENT.items()}
    place = WRITERS[kind](tmp_path / f"x.{kind}", members)
    assert list(read_recordings(place, lambda clip: clip.digit == 9)) == [Clip(9, "jackson", 41)]


@pytest.mark.parametrize("kind", WRITERS)
def test_an_oversized_recording_is_refused(kind: str, tmp_path: Path) -> None:
    members = {"fsdd/recordings/0_theo_3.wav": bytes(MAX_CLIP_BYTES + 1)}
    place = WRITERS[kind](tmp_path / f"x.{kind}", members)
    with pytest.raises(DataError, match=r"0_theo_3\.wav has more than"):
        read_recordings(place, everything)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_member_paths_write_nothing(kind: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    members = {"../../recordings/0_theo_3.wav": b"zero", "/recordings/9_jackson_41.wav": b"nine"}
    place = WRITERS[kind](inside / f"x.{kind}", members)
    assert read_recordings(place, everything) == EXPECTED
    assert [p.name for p in tmp_path.rglob("*")] == ["inside", f"x.{kind}"]


def test_links_in_a_tar_are_not_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        link = tarfile.TarInfo("recordings/0_theo_3.wav")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    assert read_recordings(tmp_path / "x.tar.gz", everything) == {}


def test_recordings_elsewhere_in_an_archive_do_not_count(tmp_path: Path) -> None:
    place = write_tar(tmp_path / "x.tar.gz", {"other/0_theo_3.wav": b"", "recordings/x.wav": b""})
    assert read_recordings(place, everything) == {}


@pytest.mark.parametrize("name", ["10_theo_3.wav", "1_theo.wav", "1_Theo_3.wav", "x1_theo_3.wav"])
def test_other_names_are_no_recordings(name: str) -> None:
    assert clip_of(name) is None


def test_digest_depends_on_names_and_contents_not_on_order() -> None:
    assert digest(EXPECTED) == digest(dict(reversed(EXPECTED.items())))
    assert digest(EXPECTED) != digest({**EXPECTED, Clip(0, "theo", 3): b"one"})
    assert digest(EXPECTED) != digest(
        {Clip(0, "theo", 4): b"zero", Clip(9, "jackson", 41): b"nine"}
    )


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_any_damaged_byte_or_cut_gives_recordings_or_a_data_error(
    kind: str, tmp_path: Path
) -> None:
    members = {f"recordings/{name}": content for name, content in CONTENT.items()}
    place = WRITERS[kind](tmp_path / f"x.{kind}", members)
    intact = place.read_bytes()
    for byte in range(len(intact)):
        flipped = (bytes([intact[byte] ^ flip]) for flip in (8, 255))
        for damaged in (intact[:byte], *(intact[:byte] + f + intact[byte + 1 :] for f in flipped)):
            place.write_bytes(damaged)
            assert read_or_refuse(place) <= set(EXPECTED)


def test_a_member_name_in_no_encoding_is_a_data_error(tmp_path: Path) -> None:
    place = write_zip(tmp_path / "x.zip", {"recordings/é.wav": b""})
    place.write_bytes(place.read_bytes().replace("é".encode(), b"\xff\xff"))
    assert read_or_refuse(place) == set()


def read_or_refuse(place: Path) -> set[Clip]:
    """The clips of an archive; none if a DataError names it."""
    try:
        return set(read_recordings(place, lambda clip: clip in EXPECTED))
    except DataError as error:
        assert str(place) in str(error)
        return set()
