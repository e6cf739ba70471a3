"""The page in a browser: no error, no request, and its controls do what they say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from benchmarks.records.record import LeftOut
from tests.benchmarks.report.builders import cell_of
from tests.benchmarks.report.page.pages import CELLS, HOSTILE, page, records

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")

FIGURES = ("cost_table1", "learning_curves_avmnist_table1")

# Before everything in a copy of the page: what goes wrong is kept. Its policy must allow it.
LISTENERS = """<script>
window.problems = [];
for (const kind of ["error", "securitypolicyviolation", "unhandledrejection"]) {
  const what = (e) => `${kind} ${e.message || e.violatedDirective}`;
  addEventListener(kind, (e) => problems.push(what(e)), true);
}
for (const kind of ["error", "warn"]) console[kind] = (...words) => problems.push(words.join(" "));
window.alert = (text) => problems.push(`alert ${text}`);
</script>"""

# After everything: works the controls and leaves what it saw in the document.
ACTIONS = """<script>
const column = (n) => [...document.querySelector("table.results").tBodies[0].rows]
  .map((row) => row.cells[n]?.querySelector("[data-rule]:not([hidden])")?.dataset.value ?? "");
const buttons = document.querySelectorAll("table.results button.sort");
const fused = buttons[1];
const seen = {};
seen.before = column(1);
fused.click();
seen.descending = column(1);
seen.sorted = fused.closest("th").getAttribute("aria-sort");
fused.click();
seen.ascending = column(1);
const rule = document.querySelector('input[value="test-oracle"]');
rule.click();
seen.oracle = column(1);
const shown = [...document.querySelectorAll("[data-rule]:not([hidden])")];
seen.shown = [...new Set(shown.map((e) => e.dataset.rule))];
fused.click();
seen.restored = column(1);
buttons[0].click();
const names = [...document.querySelectorAll("table.results tbody th")];
seen.names = names.slice(0, 3).map((e) => e.textContent);
location.hash = "#cell-CELL";
setTimeout(() => {
  seen.cards = document.querySelectorAll(".card").length;
  seen.lines = document.querySelectorAll(".card:first-of-type .curve path").length;
  seen.facts = document.querySelector(".card dl").textContent;
  location.hash = "#run-FAILED";
  setTimeout(() => {
    seen.failed = document.querySelector(".card dl").textContent;
    const drawings = [...document.images].filter((e) => e.closest("figure"));
    seen.drawn = drawings.filter((e) => e.complete && e.naturalWidth > 0).length;
    seen.images = document.images.length - drawings.length;
    seen.requests = performance.getEntriesByType("resource").map((e) => e.name);
    seen.wide = document.documentElement.scrollWidth > innerWidth;
    seen.problems = problems;
    document.body.replaceChildren(JSON.stringify(seen));
  }, 50);
}, 50);
</script>"""


def browse(path: Path, profile: Path) -> dict[str, Any]:
    """What the actions saw."""
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    words += ["--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=5000", "--dump-dom"]
    words += ["--window-size=500,900"]
    done = subprocess.run(
        [str(BROWSER), *words, path.as_uri()], capture_output=True, text=True, timeout=110
    )
    body = re.search(r"<body>(.*)</body>", done.stdout, re.DOTALL)
    assert body, done.stderr[-2000:]
    return json.loads(unescape(body[1]))


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict[str, Any]:
    """The page with listeners and actions, its policy widened by `unsafe-inline` for them alone."""
    folder = tmp_path_factory.mktemp("browser")
    path = page(folder, records(), [LeftOut("broken", HOSTILE)], figures=FIGURES)
    html = path.read_text(encoding="utf-8")
    html = re.sub(r"script-src 'sha256-[^']*'", "script-src 'unsafe-inline'", html)
    failed = next(r.run_id for r in records() if r.status == "failed")
    cell = cell_of(CELLS, "M-SAM").template.cell_id
    actions = ACTIONS.replace("CELL", cell).replace("FAILED", failed)
    html = html.replace("<title>", f"{LISTENERS}<title>", 1)
    copy = folder / "copy.html"
    copy.write_text(html.replace("</body>", f"{actions}</body>"), encoding="utf-8")
    return browse(copy, folder / "profile")


def test_no_error_and_no_request(seen: dict[str, Any]) -> None:
    assert seen["problems"] == []
    assert seen["requests"] == []


def test_figures_are_shown_though_nothing_is_loaded(seen: dict[str, Any]) -> None:
    assert seen["drawn"] == len(FIGURES)


def test_sorting_by_a_column(seen: dict[str, Any]) -> None:
    found = [float(v) for v in seen["before"] if v]
    assert len(found) == 3
    empty = [""] * (len(seen["before"]) - 3)
    assert [float(v) for v in seen["descending"][:3]] == sorted(found, reverse=True)
    assert [float(v) for v in seen["ascending"][:3]] == sorted(found)
    assert seen["descending"][3:] == seen["ascending"][3:] == empty  # what is missing comes last
    assert seen["sorted"] == "descending"
    assert seen["names"] == ["AGM", "CGGM", "Joint-Train"]


def test_the_switch_of_the_reported_epoch(seen: dict[str, Any]) -> None:
    assert seen["shown"] == ["test-oracle"]
    assert [float(v) for v in seen["oracle"][:3]] == [64.5, 70.5, 73.5]  # sorted again
    assert [float(v) for v in seen["restored"] if v] == [64.5, 73.5, 70.5]  # the paper's order
    assert [bool(v) for v in seen["restored"]] == [bool(v) for v in seen["before"]]


def test_runs_are_shown_on_demand(seen: dict[str, Any]) -> None:
    assert seen["cards"] == 3
    assert seen["lines"] == 4  # test fused, val, audio, visual
    for fact in ("0123456789abcdef, with changes", "print-a", "device A", "2 (test 66.00 %)"):
        assert fact in seen["facts"]
    assert "2 min, 30.00 s per epoch" in seen["facts"]


def test_hostile_words_stay_words(seen: dict[str, Any]) -> None:
    assert f"failed: {HOSTILE}" in seen["failed"]
    assert seen["images"] == 0


def test_the_page_fits_a_narrow_window(seen: dict[str, Any]) -> None:
    assert seen["wide"] is False


def test_the_pages_own_policy_lets_its_script_run(tmp_path: Path) -> None:
    path = page(tmp_path, records())
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000"]
    words += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]
    done = subprocess.run([str(BROWSER), *words], capture_output=True, text=True, timeout=110)
    assert done.stdout.count("<option") == 5  # the prompt, and the rows with records
