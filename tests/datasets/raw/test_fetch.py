"""Downloads against a local server: resumed, verified, refused, and clear when nothing answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasets.errors import DataError
from datasets.raw import fetch as fetch_module
from datasets.raw.fetch import fetch
from datasets.spec import RawSource
from tests.datasets.raw.server import CONTENT, Server, running


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def source(*urls: str, pinned: bool = True) -> RawSource:
    size, sha256 = (len(CONTENT), hashlib.sha256(CONTENT).hexdigest()) if pinned else (None, None)
    return RawSource("file.gz", urls, "licence", "citation", bytes=size, sha256=sha256)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_is_not_fetched_twice(server: Server, tmp_path: Path) -> None:
    seen = []
    for _ in range(2):
        path = fetch(source(server.url), tmp_path, progress=lambda *report: seen.append(report))
        assert path.read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert seen[-1] == ("downloading file.gz", len(CONTENT), len(CONTENT))
    assert files(tmp_path) == ["file.gz"]


def test_a_broken_connection_is_resumed_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.break_after = 400_000
    assert fetch(source(server.url), tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=400000-", "bytes=800000-"]


def test_a_later_call_resumes_an_earlier_part(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.gz.part").write_bytes(CONTENT[:1000])
    assert fetch(source(server.url), tmp_path).read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-"]


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "file.gz.part").write_bytes(b"old" * 100)
    assert fetch(source(server.url), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("surplus", [0, 5])
def test_a_part_that_is_already_complete_or_too_long_is_settled(
    server: Server, tmp_path: Path, surplus: int
) -> None:
    (tmp_path / "file.gz.part").write_bytes(CONTENT + b"x" * surplus)
    assert fetch(source(server.url), tmp_path).read_bytes() == CONTENT
    assert server.requests == ([f"bytes={len(CONTENT) + surplus}-", None] if surplus else [])


def test_wrong_content_is_refused_and_removed(server: Server, tmp_path: Path) -> None:
    server.content = b"x" + CONTENT[1:]
    found = hashlib.sha256(server.content).hexdigest()
    with pytest.raises(DataError, match=f"wrong checksum: sha256 {found}, expected") as caught:
        fetch(source(server.url), tmp_path)
    assert files(tmp_path) == []
    assert "--raw DIR" in str(caught.value)


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"more"])
def test_content_of_the_wrong_size_is_refused(
    server: Server, tmp_path: Path, content: bytes
) -> None:
    server.content = content
    with pytest.raises(DataError, match=f"bytes, expected {len(CONTENT)}"):
        fetch(source(server.url), tmp_path)
    assert files(tmp_path) == []


def test_a_wrong_file_in_place_is_replaced(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.gz").write_bytes(b"wrong")
    assert fetch(source(server.url), tmp_path).read_bytes() == CONTENT


def test_the_next_mirror_takes_over(server: Server, tmp_path: Path) -> None:
    dead = "http://127.0.0.1:9/file.gz"
    assert fetch(source(dead, server.url), tmp_path).read_bytes() == CONTENT


def test_no_connection_names_every_address_and_the_way_out(tmp_path: Path) -> None:
    dead = ["http://127.0.0.1:9/a", "http://127.0.0.1:9/b"]
    with pytest.raises(DataError, match=r"/a: no connection .*/b: no connection .*--raw DIR"):
        fetch(source(*dead), tmp_path)


def test_an_unpinned_file_is_judged_by_its_check(server: Server, tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise DataError(f"{path.name} holds no recordings")

    with pytest.raises(DataError, match="holds no recordings"):
        fetch(source(server.url, pinned=False), tmp_path, check=refuse)
    assert files(tmp_path) == []
    fetch(source(server.url, pinned=False), tmp_path, check=lambda _: None)
    assert files(tmp_path) == ["file.gz"]


def test_an_endless_server_is_cut_off(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "MAX_BYTES", 1000)
    monkeypatch.setattr(fetch_module, "CHUNK_BYTES", 100)
    seen = []
    with pytest.raises(DataError, match="over the limit of 1000 bytes"):
        fetch(
            source(server.url, pinned=False),
            tmp_path,
            progress=lambda _, done, __: seen.append(done),
        )
    assert max(seen) == 1100
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write .*file/file\.gz"):
        fetch(source(server.url), tmp_path / "file")
