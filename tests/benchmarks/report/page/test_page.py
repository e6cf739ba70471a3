"""The page of the report: complete, safe, self-contained, the same bytes every time."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from benchmarks.__main__ import main
from benchmarks.plan.workspace import ROOT
from benchmarks.records.record import LeftOut
from benchmarks.report.page.ledger import read_ledgers
from benchmarks.report.page.tables import rules_of
from benchmarks.report.tables.study import Number, StudyTable
from tests.benchmarks.report.builders import cell_of, entry_of, record, table
from tests.benchmarks.report.page.pages import CELLS, HOSTILE, MACHINE, data_of, page, records, run


@pytest.fixture(autouse=True)
def workspace() -> None:
    """Takes the place of the fixture that generates stand-in data: nothing here needs any."""


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def values(self, name: str) -> list[str]:
        """The values of an attribute, of every element that has it."""
        return [attrs[name] or "" for _, attrs in self.found if name in attrs]


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> str:
    broken = [LeftOut("broken", HOSTILE)]
    return page(tmp_path_factory.mktemp("page"), records(), broken).read_text(encoding="utf-8")


def test_what_a_record_says_is_never_markup(html: str) -> None:
    assert "<img" not in html
    assert html.count("</script>") == 2
    assert html.count("&lt;/script&gt;&lt;img") == 3  # footnote, failed run, left out
    reasons = {r["reason"] for g in data_of(html)["groups"] for c in g["cells"] for r in c["runs"]}
    assert HOSTILE in reasons


def test_the_policy_allows_the_pages_own_script_and_nothing_else(html: str) -> None:
    policy = next(a["content"] for t, a in Elements(html).found if "http-equiv" in a)
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; script-src 'sha256-{digest}';")
    assert "http" not in policy and "*" not in policy


def test_nothing_is_loaded_from_elsewhere(html: str) -> None:
    elements = Elements(html)
    assert elements.values("src") == []
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in elements.found}
    assert not [href for href in elements.values("href") if re.match(r"[a-z]+:|//|/", href)]
    assert not re.search(r"url\(|@import", html)


def test_every_number_leads_to_its_runs_and_they_to_their_origin(html: str) -> None:
    cells = {c["id"]: c for g in data_of(html)["groups"] for c in g["cells"]}
    shared = data_of(html)["shared"]
    msam = cells[cell_of(CELLS, "M-SAM").template.cell_id]
    assert f'href="#cell-{msam["id"]}">66.50 ± 0.50 (3)</a>' in html
    assert [r["seed"] for r in msam["runs"]] == [0, 1, 2]
    for each in msam["runs"]:
        assert each["fingerprint"] == "print-a"
        assert shared[each["environment"]] == MACHINE
        assert each["epochs"] == [2, 3, 3]
        assert (each["seconds"], each["epoch_seconds"]) == (90.0, 30.0)
    assert msam["runs"][0]["curves"]["test fused"] == [4600, 6600, 7000]
    targets = {v for v in Elements(html).values("href") if v.startswith("#cell-")}
    assert targets and {v.removeprefix("#cell-") for v in targets} <= set(cells)


def test_links_within_the_page_lead_somewhere(html: str) -> None:
    elements = Elements(html)
    runs = {r["id"] for g in data_of(html)["groups"] for c in g["cells"] for r in c["runs"]}
    plain = {v[1:] for v in elements.values("href") if v.startswith("#")}
    named = {v for v in plain if not v.startswith(("cell-", "run-"))}
    assert named <= set(elements.values("id"))
    assert {v.removeprefix("run-") for v in plain if v.startswith("run-")} <= runs


def test_links_to_files_lead_somewhere(tmp_path: Path) -> None:
    path = page(tmp_path, records(), figures=("cost_table1",))
    elements = Elements(path.read_text(encoding="utf-8"))
    links = [v for v in elements.values("href") if not v.startswith("#")]
    assert [v for v in links if not (tmp_path / v).is_file()] == []
    (image,) = [attrs for tag, attrs in elements.found if tag == "img"]
    assert image["alt"] == "Accuracy against cost, late fusion"
    head, _, svg = image["src"].partition(",")
    assert head == "data:image/svg+xml;charset=utf-8"  # nothing is loaded from elsewhere
    texts = ElementTree.fromstring(unquote(svg)).itertext()
    assert {"AV-MNIST", "M-SAM (3)"} <= {text.strip() for text in texts}


def test_the_same_records_give_the_same_page(html: str, tmp_path: Path) -> None:
    broken = [LeftOut("broken", HOSTILE)]
    assert page(tmp_path, records()[::-1], broken).read_text(encoding="utf-8") == html


def test_every_rule_has_its_own_numbers_and_verdicts() -> None:
    filled = table(CELLS, [run("M-SAM", seed, 70.08) for seed in range(3)])
    by_rule = {t.selection: entry_of(t, "M-SAM") for t in rules_of(filled)}
    assert {r: round(e.mean, 2) for r, e in by_rule.items()} == {
        "val-best": 70.08, "last": 74.08, "test-oracle": 74.08,
    }  # fmt: skip
    assert by_rule["val-best"].verdict == "inconclusive"
    assert "but not at" in by_rule["val-best"].judgement.note
    assert by_rule["last"].verdict == "reproduced"


def test_only_the_reports_own_rule_is_shown_at_first(html: str) -> None:
    switched = [attrs for _, attrs in Elements(html).found if "data-rule" in attrs]
    assert {a["data-rule"] for a in switched} == {"val-best", "last", "test-oracle"}
    assert {a["data-rule"] for a in switched if "hidden" not in a} == {"val-best"}


def test_headers_have_a_scope_and_their_order(html: str) -> None:
    heads = [attrs for tag, attrs in Elements(html).found if tag == "th"]
    assert heads and all("scope" in attrs for attrs in heads)
    assert "none" in {attrs.get("aria-sort") for attrs in heads}


def test_stand_in_data_is_marked(tmp_path: Path) -> None:
    marked = page(tmp_path / "a", records(stand_in=True), figures=("cost_table1",)).read_text(
        encoding="utf-8"
    )
    assert marked.count('class="warning" role="note">STAND-IN DATA') == 4  # top, and three rules
    assert 'class="stand-in"' in marked
    assert "STAND-IN" not in page(tmp_path / "b", records()).read_text(encoding="utf-8")


def test_a_study_has_a_table_that_sorts_by_value_and_shows_text(tmp_path: Path) -> None:
    missing = Number(math.nan, "")
    lines = ((HOSTILE, Number(0.12345, "0.12")), ("SAM", missing))
    study = StudyTable("curves", "Curves", "Read them.", "c.csv", ("Method", "Trace"), lines)
    text = page(tmp_path, [], studies=[study]).read_text(encoding="utf-8")
    assert "<img" not in text and '<th scope="row">&lt;/script&gt;&lt;img' in text
    assert '<td class="number" data-value="0.12345">0.12</td>' in text
    assert '<td class="number"></td>' in text, "what is missing has no value and is sorted last"
    assert '<a href="#curves">' in text and '<section id="curves">' in text
    assert '<a href="tables/c.csv">' in text


def test_records_that_no_table_uses_are_shown_with_the_reason(tmp_path: Path) -> None:
    other = replace(run("M-SAM", 7, 50.0).experiment, method="gone", epochs=7)
    stray = replace(run("M-SAM", 7, 50.0), experiment=other, run_id=other.run_id)
    text = page(tmp_path, [*records(), stray]).read_text(encoding="utf-8")
    (group,) = (g for g in data_of(text)["groups"] if g["title"] == "In no table")
    assert [c["label"] for c in group["cells"]] == ["gone, AV-MNIST, late fusion"]
    assert group["cells"][0]["runs"][0]["left_out"].startswith("they belong to no table")
    assert f'<a href="#run-{stray.run_id}">' in text


def test_a_run_without_an_epoch_has_a_place(tmp_path: Path) -> None:
    bare = record(cell_of(CELLS, "SAM"), 0, status="failed", reason="no memory", history=[])
    text = page(tmp_path, [bare]).read_text(encoding="utf-8")
    (cell,) = (c for g in data_of(text)["groups"] for c in g["cells"])
    assert (cell["runs"][0]["epochs"], cell["runs"][0]["curves"]) == ([], {})
    assert f'href="#cell-{bare.experiment.cell_id}"' in text


def test_a_report_without_records_is_a_page(tmp_path: Path) -> None:
    text = page(tmp_path, []).read_text(encoding="utf-8")
    assert "0 finished runs of 0 records" in text and "nothing to draw yet" in text


def test_the_ledgers_are_those_of_the_document() -> None:
    found = {ledger.title: ledger for ledger in read_ledgers(ROOT / "docs" / "spec-ledger.md")}
    spec = found["Spec ledger"]
    assert spec.header == ("#", "open question", "default", "options")
    assert [row[0] for row in spec.rows][:2] == ["1", "2"]
    assert all(len(row) == 4 for row in spec.rows)
    assert "<code>value=prob</code>" in spec.rows[0][2]
    assert {"AGM, OGM-GE, MSES, MSLR", "Extensions and controls"} <= set(found)
    assert "Step times" not in found


def test_a_ledger_is_text_and_may_be_missing(tmp_path: Path) -> None:
    assert read_ledgers(tmp_path / "none.md") == []
    path = tmp_path / "some.md"
    path.write_text(
        f"## A ledger\n\n| a |\n|---|\n| {HOSTILE} \\| **b** |\n\n## More\n\n| c |\n|-|\n| d |"
    )
    (ledger,) = read_ledgers(path)
    assert ledger.rows[0][0].startswith("&lt;/script&gt;&lt;img")
    assert ledger.rows[0][0].endswith("| <strong>b</strong>")


def test_the_verb_writes_tables_figures_and_page(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MSAM_DATA_DIR", str(tmp_path / "no data"))
    for each in records()[6:8]:
        each.save(tmp_path / "runs" / f"{each.run_id}.json")
    assert main(["report", "--profile", "paper", "--out", str(tmp_path)]) == 0
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
    assert {"report.html", "tables/table1.csv", "tables/comparison.csv"} <= names
    assert {f"figures/seeds_avmnist_table1.{s}" for s in ("csv", "pdf", "png")} <= names
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'id="figure-seeds_avmnist_table1"' in text and "relative_gain_table1: no method" in text


def test_the_page_says_estimated_and_measured_hours(tmp_path: Path, monkeypatch) -> None:
    def told(made, figures):
        assert len(list(made)) == len(records())
        return "3 runs took 1.0 h; estimated were 2.0 h"

    monkeypatch.setattr("benchmarks.report.compute.reality_line", told)
    text = page(tmp_path / "a", records()).read_text(encoding="utf-8")
    runs = text[text.index('<section id="runs">') :]
    assert "each line. 3 runs took 1.0 h; estimated were 2.0 h.</p>" in runs
    monkeypatch.setattr("benchmarks.report.compute.reality_line", lambda made, figures: None)
    assert "each line.</p>" in page(tmp_path / "b", records()).read_text(encoding="utf-8")


def test_the_verb_all_plans_both_tables(tmp_path: Path, data_dir, monkeypatch, capsys) -> None:
    monkeypatch.setenv("MSAM_DATA_DIR", str(data_dir))
    words = ["all", "--profile", "demo", "--datasets", "avmnist", "--out", str(tmp_path)]
    assert main([*words, "--dry-run"]) == 0
    assert capsys.readouterr().out.count(" runs planned") == 2
    assert not (tmp_path / "report.html").exists()
