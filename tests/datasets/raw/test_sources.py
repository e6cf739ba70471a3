"""Where raw files come from: every fact that a user needs, and no file that is read in vain."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from datasets.avmnist import raw as avmnist_raw
from datasets.cremad.spec import CLIPS, KINDS
from datasets.registry import LOADERS
from datasets.spec import FetchOptions, RawSource, silent

READ = [source for loader in LOADERS.values() for source in loader.sources]
OTHERS = [source for loader in LOADERS.values() for source in loader.other_versions]


@pytest.mark.parametrize("source", [pytest.param(s, id=s.file) for s in (*READ, *OTHERS)])
def test_a_source_says_where_what_and_whose(source: RawSource) -> None:
    assert source.urls and all(re.fullmatch(r"https?://\S+", url) for url in source.urls)
    assert source.licence and source.citation
    assert (source.bytes is None) == (source.sha256 is None) == bool(source.size)
    assert source.sha256 is None or re.fullmatch("[0-9a-f]{64}", source.sha256)


def test_what_may_not_be_copied_needs_consent_and_other_versions_a_person() -> None:
    assert all(source.automatic for source in READ)
    waiting = {loader.spec.name for loader in LOADERS.values() if loader.consent_hint()}
    assert waiting == {"cremad", "urfunny", "ave"}
    assert [s for s in LOADERS["cremad"].sources if s.needs_consent] == [CLIPS]
    assert not any(s.automatic or s.redistributable or s.needs_consent for s in OTHERS)


def test_another_version_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    monkeypatch.setattr(avmnist_raw, "fetch", lambda source, *_, **__: fetched.append(source))
    avmnist_raw.download(tmp_path, FetchOptions(), silent)
    assert fetched == list(LOADERS["avmnist"].sources) and len(fetched) == 5


@pytest.mark.parametrize("name", LOADERS)
def test_every_raw_file_that_a_loader_looks_for_has_a_source(name: str) -> None:
    listed = " ".join(source.file for source in LOADERS[name].sources)
    assert listed
    extra = ("train.csv", "test.csv", *KINDS.values()) if name == "cremad" else ()
    for file in (*LOADERS[name].raw_files, *extra):
        assert file in listed
