"""The files of figures: drawn from the very rows that are written, the same bytes every time."""

from __future__ import annotations

import csv
import io
import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.plan.workspace import ROOT
from benchmarks.records.record import RunRecord
from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.layout import DOUBLE, SINGLE
from benchmarks.report.figures.style import typography
from benchmarks.report.figures.write import make_figures, write_figures
from tests.benchmarks.report.builders import CONFIG, READY, cell_of, plan, record

CELLS = plan(avmnist=READY)
METHODS = ("Joint-Train", "SAM", "M-SAM")
FORMATS = ("csv", "pdf", "png")
KINDS = ("overfitting_gap", "learning_curves_avmnist", "relative_gain", "seeds_avmnist",
         "contributions", "cost")  # fmt: skip
PAINTERS = ("contributions", "relative_gain", "seeds_avmnist", "cost")  # one figure of each painter


@pytest.fixture(autouse=True)
def workspace() -> None:
    """Takes the place of the fixture that generates stand-in data: nothing here needs any."""


def epochs(count: int, seed: int) -> list[dict[str, Any]]:
    """Epochs with every number that a figure shows."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(1, count + 1):
        audio, visual, fused, train = random.uniform(0.4, 0.9, 4).tolist()
        test = {"acc_audio": audio, "acc_visual": visual, "acc_mm": fused}
        shares = {"contribution_audio": audio / 2, "contribution_visual": 1 - audio / 2}
        trained = {"acc_mm": train, **shares}
        found.append({"epoch": number, "train": trained, "val": {"acc_mm": fused}, "test": test})
    return found


@cache
def sweep(
    rows: tuple[str, ...] = METHODS, seeds: int = 3, length: int = 7, stand_in: bool = False
) -> tuple[RunRecord, ...]:
    """Runs of these rows with times, of different lengths."""
    made = [
        record(cell_of(CELLS, row), seed, history=epochs(length + seed, seed), stand_in=stand_in)
        for row in rows
        for seed in range(seeds)
    ]
    place, timing = {"device": "a device"}, {"epoch_seconds": [1.5, 2.0]}
    return tuple(replace(run, environment=place, timing=timing) for run in made)


def every_figure(records: Sequence[RunRecord]) -> list[Figure]:
    """The figures of Table 1, also those without points."""
    return make_figures(CONFIG, "paper", {"table1": CELLS}, records)


def figures(records: Sequence[RunRecord]) -> dict[str, Figure]:
    """The figures with points, by name without the suite's."""
    return {f.name.removesuffix("_table1"): f for f in every_figure(records) if f.points}


def axes_of(figure: Figure) -> list[Any]:
    """The axes of the drawing."""
    with typography(figure.name):
        return figure.paint(figure).axes


def test_every_kind_of_figure_is_written_with_its_numbers(tmp_path: Path) -> None:
    written = write_figures(every_figure(sweep()), tmp_path)
    names = {f"{kind}_table1.{suffix}" for kind in KINDS for suffix in FORMATS}
    assert {path.name for path in written.files} == names
    assert {path.name for path in tmp_path.iterdir()} == names
    assert written.not_drawn["seeds_ave_table1"] == "no finished run (data missing)"


@pytest.mark.parametrize("kind", ["overfitting_gap", "learning_curves_avmnist", "contributions"])
def test_lines_are_the_numbers_of_the_csv(kind: str) -> None:
    figure = figures(sweep())[kind]
    rows = list(csv.DictReader(io.StringIO(figure.csv())))
    written = {(float(r["epoch"]), float(r["mean"])) for r in rows}
    lines = [line for axes in axes_of(figure) for line in axes.get_lines()]
    drawn = {tuple(point) for line in lines for point in line.get_xydata().tolist()}
    assert drawn == written
    assert len(rows) == 9 * len(METHODS) * len({r["output"] for r in rows})


def test_marks_are_the_numbers_of_the_csv() -> None:
    figure = figures(sweep())["relative_gain"]
    rows = list(csv.DictReader(io.StringIO(figure.csv())))
    (axes,) = axes_of(figure)
    drawn = {x for line in axes.get_lines() for x in line.get_xdata()}
    assert {float(r[key]) for r in rows for key in ("mean", "paper")} <= drawn


@pytest.mark.parametrize("kind", PAINTERS)
def test_the_same_records_give_the_same_bytes(kind: str, tmp_path: Path) -> None:
    once, again = (figures(records)[kind] for records in (sweep(), sweep()[::-1]))
    drawn = [figure.draw("pdf", "png", "svg") for figure in (once, again)]
    assert drawn[0] == drawn[1] and once.csv() == again.csv()


def test_figures_drawn_side_by_side_are_the_same(tmp_path: Path) -> None:
    made = [figures(sweep())[kind] for kind in PAINTERS[:2]]
    written = [
        write_figures(made, tmp_path / str(processes), processes).drawn for processes in (1, 2)
    ]
    assert [each.svg for each in written[0]] == [each.svg for each in written[1]]
    for alone, beside in zip(*written, strict=True):
        for one, other in zip(alone.files, beside.files, strict=True):
            assert one.read_bytes() == other.read_bytes()


def test_files_have_no_date_and_embed_their_font(tmp_path: Path) -> None:
    figures(sweep())["overfitting_gap"].write(tmp_path)
    pdf = (tmp_path / "overfitting_gap_table1.pdf").read_bytes()
    assert b"CreationDate" not in pdf
    assert b"/CIDFontType2" in pdf and b"/FontFile2" in pdf and b"/Type3" not in pdf
    assert b"matplotlib" not in (tmp_path / "overfitting_gap_table1.png").read_bytes()


@pytest.mark.parametrize("kind", ["contributions", "seeds_avmnist"])  # the largest of their kind
def test_svg_is_one_small_element_that_leaves_a_page_alone(kind: str) -> None:
    every = tuple(row.label for row in CONFIG.suites["table1"].rows if not row.modalities)
    svg = figures(sweep(every, seeds=3, length=100))[kind].svg()
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(svg) < 150_000
    assert "<style" not in svg and "<metadata" not in svg and "<!--" not in svg
    assert not re.search(r'id="(figure|axes|line2d|text|patch)_', svg)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "AV-MNIST" in " ".join(text or "" for text in texts)


def test_svg_of_different_figures_share_no_identifier() -> None:
    names = [set(re.findall(r' id="([^"]*)"', f.svg())) for f in figures(sweep()).values()]
    assert sum(map(len, names)) == len(set.union(*names))


def test_svg_lines_end_where_the_drawing_does() -> None:
    """Steps of tenths must not add up their roundings."""
    figure = figures(sweep(("M-SAM",), 1, 100))["overfitting_gap"]
    axes = axes_of(figure)[0]
    ends = axes.transData.transform(axes.get_lines()[0].get_xydata())[[0, -1]] * 72 / 100
    height = axes.figure.get_figheight() * 72
    found = [path for path in re.findall(r' d="M([^"z]*)"', figure.svg()) if path.count(" ") > 60]
    (path,) = found
    steps = np.array([float(n) for n in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", path)]).reshape(-1, 2)
    last = steps.sum(axis=0)
    assert steps[0] == pytest.approx([ends[0][0], height - ends[0][1]], abs=0.06)
    assert last == pytest.approx([ends[1][0], height - ends[1][1]], abs=0.06)


@pytest.mark.parametrize("kind", KINDS)
def test_stand_in_data_is_marked(kind: str) -> None:
    for stand_in in (True, False):
        figure = figures(sweep(stand_in=stand_in))[kind]
        marked = [any("stand-in" in t.get_text() for t in a.texts) for a in axes_of(figure)]
        assert marked == [stand_in] * len(marked)
        assert figure.caption.startswith("STAND-IN DATA (AV-MNIST)") == stand_in
        column = {row["stand_in"] for row in csv.DictReader(io.StringIO(figure.csv()))}
        assert column == {str(stand_in)}


def test_stand_in_data_is_not_beside_the_paper() -> None:
    for kind in ("relative_gain", "seeds_avmnist"):
        figure = figures(sweep(stand_in=True))[kind]
        assert {row["paper"] for row in csv.DictReader(io.StringIO(figure.csv()))} == {""}


@pytest.mark.parametrize("count", [1, 3])
def test_no_mean_covers_the_mark_of_a_seed(count: int) -> None:
    every = tuple(row.label for row in CONFIG.suites["table1"].rows if not row.modalities)
    (axes, *_) = axes_of(figures(sweep(every, seeds=count))["seeds_avmnist"])
    marks = [line for line in axes.get_lines() if line.get_marker() != "|"]
    pixels = axes.figure.dpi / 72
    heights = [
        (float(axes.transData.transform((0, y))[1]) / pixels, line.get_markersize() / 2)
        for line in marks
        for y in line.get_ydata()[:1]
    ]
    heights.sort()
    for (low, below), (high, above) in itertools.pairwise(heights):
        assert high - low >= below + above


def test_the_gap_is_drawn_with_its_formula() -> None:
    axes = axes_of(figures(sweep())["overfitting_gap"])[0]
    assert axes.get_ylabel() == "τ = |train - test| / test"


def test_panels_that_are_compared_have_one_range() -> None:
    for kind in ("learning_curves_avmnist", "contributions"):
        assert len({axes.get_ylim() for axes in axes_of(figures(sweep())[kind])}) == 1


def test_the_legend_names_rows_in_order_with_their_runs() -> None:
    figure = figures(sweep())["learning_curves_avmnist"]
    (legend,) = axes_of(figure)[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"{m} (3)" for m in METHODS]


@pytest.mark.parametrize(
    ("kind", "width"), [("overfitting_gap", SINGLE), ("seeds_avmnist", DOUBLE)]
)
def test_the_page_has_the_width_of_a_column_and_nothing_leaves_it(kind: str, width: float) -> None:
    figure = figures(sweep())[kind]
    with typography(figure.name):
        page = figure.paint(figure)
        drawn = page.get_tightbbox()  # inches
    assert page.get_figwidth() * 25.4 == pytest.approx(width)
    assert drawn.x0 >= 0 and drawn.y0 >= 0
    assert drawn.x1 <= page.get_figwidth() and drawn.y1 <= page.get_figheight()


def test_a_figure_that_has_nothing_to_show_any_more_is_removed(tmp_path: Path) -> None:
    write_figures([figures(sweep())["cost"]], tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    written = write_figures(every_figure([]), tmp_path)
    assert written.files == () and len(written.not_drawn) == 12
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_users_style_changes_nothing() -> None:
    import matplotlib

    figure = figures(sweep())["cost"]
    before = figure.svg()
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "svg.hashsalt": "x"}):
        assert figure.svg() == before
        assert matplotlib.rcParams["font.size"] == 20


def test_an_unknown_suite_or_rule_is_named() -> None:
    with pytest.raises(ValueError, match="no suite 'table9'"):
        make_figures(CONFIG, "paper", {"table9": CELLS}, [])
    with pytest.raises(ValueError, match="val-best, last, test-oracle"):
        make_figures(CONFIG, "paper", {"table1": CELLS}, sweep(), "val-bset")


def test_matplotlib_is_loaded_to_draw_only() -> None:
    code = "import sys, benchmarks.report.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
