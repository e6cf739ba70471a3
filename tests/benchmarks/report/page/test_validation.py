"""The validation page: everything that the tests check has a place, and nothing else is said."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.configs.load import load_config
from benchmarks.plan.workspace import ROOT
from benchmarks.report.page.ledger import read_ledgers
from benchmarks.report.page.validation import LEDGERS, PLACES, Evidence, Part, validation_html

METHODS = load_config().methods
REAL = Evidence(METHODS)


@pytest.fixture(autouse=True)
def workspace() -> None:
    """Takes the place of the fixture that generates stand-in data: nothing here needs any."""


@pytest.fixture(scope="module")
def parts() -> dict[str, Part]:
    return {part.name: part for part in REAL.parts()}


@pytest.fixture(scope="module")
def html() -> str:
    return validation_html(REAL, "index.html", "discrepancy.md")


def refused(evidence: Evidence, word: str) -> None:
    """The page cannot be made, and the error names the word."""
    with pytest.raises(ValueError, match=re.escape(word)):
        evidence.parts()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the golden files' heads and of the tests that read them."""
    for file in (ROOT / "tests" / "golden").glob("*.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        head = {"source": content["source"], "cases": content["cases"][:1] and [{}]}
        path = tmp_path / "tests" / "golden" / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(head), encoding="utf-8")
    for name in {t.partition("::")[0] for file in REAL.golden.values() for t in file.tests}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_every_golden_file_and_every_row_has_a_place(parts: dict[str, Part]) -> None:
    shown = {file.name for part in parts.values() for file in part.golden}
    assert shown == {path.stem for path in (ROOT / "tests" / "golden").glob("*.json")}
    rows = {row.cells for part in parts.values() for row in part.rows}
    assert rows == {row for ledger in read_ledgers(LEDGERS) for row in ledger.rows}


def test_every_method_has_a_section_with_its_evidence(parts: dict[str, Part], html: str) -> None:
    for name, method in METHODS.items():
        part = parts[name]
        assert f'<section id="{name}">' in html
        assert (part.title, part.reference) == (method.label, method.reference)
        assert (ROOT / part.source).is_file()
        assert part.golden or part.none
        assert all(
            (ROOT / test.partition("::")[0]).is_file() for f in part.golden for test in f.tests
        )
    assert all((ROOT / part.source).is_file() for part in parts.values())


def test_a_file_belongs_to_the_longest_name_that_begins_it() -> None:
    assert REAL.owners("sam_more") == ["sam"]
    assert REAL.owners("sam_scaled_more") == ["sam_scaled"]
    assert REAL.owners("agm_ogm_ge") == ["ogm_ge"], "an entry takes it away from that rule"
    assert REAL.owners("unheard_of") == []


def test_a_golden_file_without_a_place_or_a_test_is_noticed(root: Path) -> None:
    (root / "tests" / "golden" / "unheard_of.json").write_text('{"source": "", "cases": []}')
    evidence = replace(REAL, root=root)
    refused(evidence, "unheard_of.json belongs to no method")
    assert any('no test has the decorator @golden("unheard_of")' in p for p in evidence.problems())


def test_a_table_method_needs_golden_files_or_a_reason(root: Path) -> None:
    (root / "tests" / "golden" / "sam_trajectory.json").unlink()
    refused(replace(REAL, root=root), "sam has no golden file")


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("| CGGM: factors |", "| CGMG: factors |", "CGMG: factors"),
        ("| MSES, MSLR | all epochs", "| MSES, MLSR | all epochs", "MSES, MLSR"),
        ("| 16 | ", "| 99 | ", "the row '99'"),
        ("| AGM | | floor", "| AGM | floor", "its cells are not 5"),
        ("| AGM | | floor", "| AGM | | | floor", "its cells are not 5"),
    ],
)
def test_a_broken_row_is_noticed(old: str, new: str, word: str, tmp_path: Path) -> None:
    text = LEDGERS.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "ledger.md").write_text(text.replace(old, new), encoding="utf-8")
    refused(replace(REAL, ledgers=tmp_path / "ledger.md"), word)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda p: p["methods"].update(gone={"none": "why"}), "'gone' is no method"),
        (
            lambda p: p["methods"]["mses"].update(golden=["gone_*"]),
            "no golden file is named gone_*",
        ),
        (lambda p: p["methods"]["mses"].update(gold=["agm_mses"]), "mses has ['gold']"),
        (lambda p: p["methods"].update(sam={"none": "why"}), "but it has one"),
        (lambda p: p["tolerances"].update(gone="1"), "no golden file gone"),
    ],
)
def test_a_mistake_in_the_places_is_noticed(
    change: Callable[[dict[str, Any]], None], word: str
) -> None:
    places = copy.deepcopy(yaml.safe_load(PLACES.read_text(encoding="utf-8")))
    change(places)
    refused(replace(REAL, places=places), word)


def test_a_difference_is_what_the_code_does_otherwise(tmp_path: Path) -> None:
    head = (
        "## Ledger\n\n| method | paper says | released code does | we do | option |\n|-|-|-|-|-|\n"
    )
    rows = [
        ("both silent", "", "", "own", False),
        ("no code", "a", "none", "own", False),
        ("followed, the paper is silent", "", "b", "as code", False),
        ("followed against the paper", "a", "b", "as code", True),
        ("not followed", "", "b", "own", True),
    ]
    lines = [f"| SAM: {name} | {paper} | {code} | {we} | |" for name, paper, code, we, _ in rows]
    path = tmp_path / "ledger.md"
    notes = "\n\nThe code of SAM crashes.\n\nM-SAM has none.\n"
    path.write_text(head + "\n".join(lines) + notes, encoding="utf-8")
    (part,) = (p for p in replace(REAL, ledgers=path).parts() if p.name == "sam")
    assert [row.differs for row in part.rows] == [differs for *_, differs in rows]
    assert part.notes == ("The code of SAM crashes.",)


def test_the_commands_select_the_tests_of_the_files(parts: dict[str, Part]) -> None:
    for part in parts.values():
        words = part.command.split('"')[0].split()
        assert words[:2] == (["./reproduce.sh", "test"] if part.golden else [])
        named = {test.partition("::")[0] for file in part.golden for test in file.tests}
        assert {word for word in words if word.startswith("tests/")} == named


def test_the_page_claims_no_result_and_loads_nothing(html: str) -> None:
    assert "states no" in html and "passed" not in html
    assert "<script" not in html and "<Macro" not in html and " src=" not in html
    assert not [h for h in re.findall(r'href="([^"]+)"', html) if re.match(r"[a-z]+:|/", h)]
    assert html == validation_html(REAL, "index.html", "discrepancy.md")
