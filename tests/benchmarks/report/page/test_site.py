"""The static site: complete, the same bytes every time, and it overwrites nothing of others."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from tests.benchmarks.report.page.pages import records

PAGES = ("index.html", "validation.html")


@pytest.fixture(autouse=True)
def workspace(monkeypatch, tmp_path_factory) -> None:
    """Takes the place of the fixture that generates stand-in data: nothing here needs any."""
    monkeypatch.setenv("MSAM_DATA_DIR", str(tmp_path_factory.mktemp("no data")))


def report(out: Path, *words: str) -> int:
    """The verb on two records that are in the folder."""
    for each in records()[6:8]:
        each.save(out / "runs" / f"{each.run_id}.json")
    return main(["report", "--profile", "paper", "--out", str(out), *words])


def files(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    """A results folder and its site."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:  # made before the fixture `workspace`
        patch.setenv("MSAM_DATA_DIR", str(folder / "no data"))
        assert report(folder / "results", "--site", str(folder / "site")) == 0
    return folder / "results", folder / "site"


def test_the_site_is_complete(made: tuple[Path, Path]) -> None:
    results, site = made
    found = files(site)
    assert {*PAGES, ".nojekyll", "discrepancy.md", "tables/comparison.csv"} <= found.keys()
    assert {f"runs/{each.run_id}.json" for each in records()[6:8]} <= found.keys()
    copied = {name for name in found if name.startswith(("tables/", "figures/", "runs/"))}
    assert all(found[name] == (results / name).read_bytes() for name in copied)
    assert found["site-files.txt"].decode().split() == sorted(found)


def test_every_link_of_the_site_leads_somewhere(made: tuple[Path, Path]) -> None:
    _, site = made
    seen = set()
    for name in PAGES:
        text = (site / name).read_text(encoding="utf-8")
        for link in map(unescape, re.findall(r'href="([^"]+)"', text)):
            assert not re.match(r"[a-z]+:|/", link), "links are relative"
            address, _, place = link.partition("#")
            target = site / (address or name)
            assert target.is_file(), link
            if place and not place.startswith(("cell-", "run-")):  # these are made by the script
                assert f'id="{place}"' in target.read_text(encoding="utf-8"), link
            seen.add(address)
    assert {*PAGES, "discrepancy.md"} <= seen


def test_without_the_option_the_report_is_the_same(made: tuple[Path, Path], tmp_path: Path) -> None:
    results, _ = made
    assert report(tmp_path / "other") == 0
    assert files(tmp_path / "other") == files(results)
    assert "validation.html" not in (results / "report.html").read_text(encoding="utf-8")


def test_a_site_is_written_again_over_itself(made: tuple[Path, Path], tmp_path: Path) -> None:
    results, site = made
    before = files(site)
    again = tmp_path / "site"
    for name, content in before.items():
        (again / name).parent.mkdir(parents=True, exist_ok=True)
        (again / name).write_bytes(content)
    (again / "figures" / "old.csv").write_text("of an earlier site")
    (again / "own.md").write_text("of somebody")
    (tmp_path / "outside").write_text("of somebody")
    with (again / "site-files.txt").open("a") as listing:
        listing.write("figures/old.csv\n../outside\n")
    (again / "index.html").write_text("an earlier one")
    assert report(results, "--site", str(again)) == 0
    assert files(again) == before | {"own.md": b"of somebody"}
    assert (tmp_path / "outside").exists(), "only files within the site are removed"


@pytest.mark.parametrize("name", ["index.html", "validation.html", "tables/comparison.csv"])
def test_files_of_others_are_not_overwritten(
    name: str, made: tuple[Path, Path], tmp_path: Path, capsys
) -> None:
    results, _ = made
    path = tmp_path / "docs" / name
    path.parent.mkdir(parents=True)
    path.write_text("of somebody")
    assert report(results, "--site", str(tmp_path / "docs")) == 2
    assert name in capsys.readouterr().err
    assert files(tmp_path / "docs") == {name: b"of somebody"}, "nothing is written"


def test_a_file_is_no_folder_for_a_site(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert report(tmp_path / "results", "--site", str(tmp_path / "file")) == 2
    assert "is a file" in capsys.readouterr().err
