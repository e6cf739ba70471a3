"""Where raw files come from: every fact that a user needs, and no file that is read in vain."""

from __future__ import annotations

import re

import pytest

from datasets.ave import raw as ave_raw
from datasets.avmnist import raw as avmnist_fetch
from datasets.cremad import raw as cremad_raw
from datasets.raw.fetch import CREMAD, CREMAD_LISTS, OTHER_VERSIONS, SOURCES, RawSource, sources_of

EVERY = [pytest.param(source, id=source.file) for source in (*SOURCES, *OTHER_VERSIONS)]


@pytest.mark.parametrize("source", EVERY)
def test_a_source_says_where_what_and_whose(source: RawSource) -> None:
    assert source.urls and all(re.fullmatch(r"https?://\S+", url) for url in source.urls)
    assert source.licence and source.citation
    assert (source.bytes is None) == (source.sha256 is None) == bool(source.size)
    assert source.sha256 is None or re.fullmatch("[0-9a-f]{64}", source.sha256)


def test_what_needs_a_person_is_never_downloaded() -> None:
    assert {s.dataset for s in SOURCES if s.automatic} == {"avmnist"}
    assert all(s.automatic for s in sources_of("avmnist"))
    assert not any(s.automatic or s.redistributable for s in OTHER_VERSIONS)
    assert [s.file for s in SOURCES if s.redistributable and not s.automatic] == [CREMAD_LISTS.file]


def test_another_version_is_not_fetched(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    monkeypatch.setattr(avmnist_fetch, "fetch", lambda source, *_, **__: fetched.append(source))
    avmnist_fetch.download(tmp_path, lambda *_: None)
    assert fetched == list(sources_of("avmnist")) and len(fetched) == 5


def test_every_raw_file_that_a_loader_looks_for_has_a_source() -> None:
    listed = " ".join(s.file for s in sources_of("ave"))
    for name in (ave_raw.ANNOTATIONS, *ave_raw.ORDERS.values(), *ave_raw.FEATURES.values()):
        assert name in listed
    assert {CREMAD, CREMAD_LISTS} == set(sources_of("cremad"))
    for name in ("train.csv", "test.csv", *cremad_raw.KINDS.values()):
        assert name in CREMAD.file + CREMAD_LISTS.file
    assert [s.file for s in sources_of("urfunny")] == ["humor.pkl"]


def test_an_unknown_dataset_has_no_source() -> None:
    assert sources_of("cremda") == ()
