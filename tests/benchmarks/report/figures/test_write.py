"""The files of figures: drawn from the very rows that are written, the same bytes every time."""

from __future__ import annotations

import csv
import io
import itertools
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.plan.workspace import ROOT
from benchmarks.records.record import RunRecord
from benchmarks.report.figures.figure import Figure
from benchmarks.report.figures.style import DOUBLE, SINGLE, typography
from benchmarks.report.figures.write import make_figures, write_figures
from tests.benchmarks.report.builders import CONFIG, READY, cell_of, plan, record
from tests.benchmarks.report.page.pages import page

CELLS = plan(avmnist=READY)
METHODS = ("Joint-Train", "SAM", "M-SAM")
FORMATS = ("csv", "pdf", "png")
KINDS = ("overfitting_gap", "learning_curves_avmnist", "relative_gain", "seeds_avmnist",
         "seeds_fused", "contributions", "cost")  # fmt: skip
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


def rows_of(figure: Figure) -> list[dict[str, str]]:
    """The lines of the figure's CSV."""
    return list(csv.DictReader(io.StringIO(figure.csv())))


def axes_of(figure: Figure) -> list[Any]:
    """The axes of the drawing."""
    with typography():
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
    rows = rows_of(figure)
    written = {(float(r["epoch"]), float(r["mean"])) for r in rows}
    lines = [line for axes in axes_of(figure) for line in axes.get_lines()]
    drawn = {tuple(point) for line in lines for point in line.get_xydata().tolist()}
    assert drawn == written
    assert len(rows) == 9 * len(METHODS) * len({r["output"] for r in rows})


def test_marks_are_the_numbers_of_the_csv() -> None:
    figure = figures(sweep())["relative_gain"]
    rows = rows_of(figure)
    (axes,) = axes_of(figure)
    drawn = {x for line in axes.get_lines() for x in line.get_xdata()}
    assert {float(r[key]) for r in rows for key in ("mean", "paper")} <= drawn


def bytes_of(figures: Iterable[Figure], out: Path, processes: int = 1) -> dict[str, bytes]:
    """The files of these figures by name, and their drawings for the page."""
    written = write_figures(figures, out, processes)
    svgs = {f"{drawn.figure.name}.svg": drawn.svg.encode() for drawn in written.drawn}
    return svgs | {path.name: path.read_bytes() for path in written.files}


def test_the_same_records_give_the_same_bytes_also_side_by_side(tmp_path: Path) -> None:
    once, again = (
        [figures(records)[kind] for kind in PAINTERS] for records in (sweep(), sweep()[::-1])
    )
    first = bytes_of(once, tmp_path / "a")
    assert first and first == bytes_of(again, tmp_path / "b", processes=2)


def test_files_have_no_date_and_embed_their_font(tmp_path: Path) -> None:
    (drawn,) = write_figures([figures(sweep())["overfitting_gap"]], tmp_path).drawn
    pdf = (tmp_path / "overfitting_gap_table1.pdf").read_bytes()
    assert b"CreationDate" not in pdf
    assert b"/CIDFontType2" in pdf and b"/FontFile2" in pdf and b"/Type3" not in pdf
    assert b"matplotlib" not in (tmp_path / "overfitting_gap_table1.png").read_bytes()
    assert "date" not in drawn.svg


@pytest.mark.parametrize("kind", ["contributions", "seeds_avmnist"])  # the largest of their kind
def test_an_svg_is_small_and_its_texts_stay_texts(kind: str, tmp_path: Path) -> None:
    every = tuple(row.label for row in CONFIG.suites["table1"].rows if not row.modalities)
    figure = figures(sweep(every, seeds=3, length=100))[kind]
    (drawn,) = write_figures([figure], tmp_path).drawn
    assert len(drawn.svg) < 250_000
    texts = {text.strip() for text in ElementTree.fromstring(drawn.svg).itertext()}
    assert {f"{row} (3)" for row in figure.rows} <= texts
    assert "sans-serif" in drawn.svg  # for readers without the font


@pytest.mark.parametrize("kind", KINDS)
def test_stand_in_data_is_marked(kind: str) -> None:
    for stand_in in (True, False):
        figure = figures(sweep(stand_in=stand_in))[kind]
        marked = [any("stand-in" in t.get_text() for t in a.texts) for a in axes_of(figure)]
        assert marked == [stand_in] * len(marked)
        assert figure.caption.startswith("STAND-IN DATA (AV-MNIST)") == stand_in
        rows = rows_of(figure)
        assert {row["stand_in"] for row in rows} == {str(stand_in)}
        if stand_in:
            assert {row.get("paper", "") for row in rows} == {""}, "not beside the paper"


@pytest.mark.parametrize("count", [1, 3])
def test_no_mean_covers_the_mark_of_a_seed(count: int) -> None:
    every = tuple(row.label for row in CONFIG.suites["table1"].rows if not row.modalities)
    (axes, *_) = axes_of(figures(sweep(every, seeds=count))["seeds_avmnist"])
    marks = [line for line in axes.get_lines() if line.get_marker() not in ("|", "None", None)]
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


def test_every_output_has_its_own_range_of_learning_curves() -> None:
    drawn = axes_of(figures(sweep())["learning_curves_avmnist"])
    assert len({axes.get_ylim() for axes in drawn}) == len(drawn) == 3


@pytest.mark.parametrize(("rows", "banded"), [(4, True), (5, False)])
def test_bands_of_the_gap_are_drawn_for_few_rows_only(rows: int, banded: bool) -> None:
    every = tuple(row.label for row in CONFIG.suites["table1"].rows if not row.modalities)
    figure = figures(sweep(every[:rows]))["overfitting_gap"]
    assert bool(axes_of(figure)[0].collections) is banded
    assert ("bands" in figure.caption) is banded


def test_the_legend_names_rows_in_order_with_their_runs() -> None:
    figure = figures(sweep())["learning_curves_avmnist"]
    (legend,) = axes_of(figure)[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"{m} (3)" for m in METHODS]


@pytest.mark.parametrize(
    ("kind", "width"), [("overfitting_gap", SINGLE), ("seeds_avmnist", DOUBLE)]
)
def test_the_page_has_the_width_of_a_column_and_nothing_leaves_it(kind: str, width: float) -> None:
    figure = figures(sweep())[kind]
    with typography():
        drawing = figure.paint(figure)
        drawn = drawing.get_tightbbox()  # inches
    assert drawing.get_figwidth() * 25.4 == pytest.approx(width)
    assert drawn.x0 >= 0 and drawn.y0 >= 0
    assert drawn.x1 <= drawing.get_figwidth() and drawn.y1 <= drawing.get_figheight()


def test_a_figure_that_has_nothing_to_show_any_more_is_removed(tmp_path: Path) -> None:
    write_figures([figures(sweep())["cost"]], tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    written = write_figures(every_figure([]), tmp_path)
    assert written.files == () and len(written.not_drawn) == 13
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_users_style_changes_nothing(tmp_path: Path) -> None:
    import matplotlib

    cost = [figures(sweep())["cost"]]
    before = bytes_of(cost, tmp_path / "a")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        assert bytes_of(cost, tmp_path / "b") == before
        assert matplotlib.rcParams["font.size"] == 20


NEW_FIGURE = """
from dataclasses import dataclass
from matplotlib.figure import Figure as Page
from benchmarks.report.figures.figure import Panel

ORDER = 0

@dataclass(frozen=True)
class Point:
    dataset: str
    output: str
    row: str
    epochs: int
    stand_in: bool
    published_protocol: bool

def figures(material):
    points = [
        Point(f.cell.dataset, "mm", f.cell.row.label, len(f.done[0].history), f.stand_in, False)
        for f in material.found if f.done
    ]
    yield material.figure(name="lengths", title="Lengths", caption="Epochs of a run.",
        points=points, grid=[material.fused()], paint=paint, lacking="no finished run")

def paint(figure):
    page = Page()
    page.subplots().bar(figure.rows, [point.epochs for point in figure.points])
    return page
"""


@pytest.fixture
def new_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more file in the folder of figures."""
    from benchmarks.report import figures as folder

    (tmp_path / "lengths.py").write_text(NEW_FIGURE)
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    yield
    sys.modules.pop(f"{folder.__name__}.lengths", None)


def test_a_new_file_is_a_new_figure(new_figure: None, tmp_path: Path) -> None:
    """It is drawn, written with its numbers, and shown on the page, before the others."""
    names = [figure.name for figure in every_figure(sweep())]
    assert names[:2] == ["lengths_table1", "overfitting_gap_table1"]
    html = page(tmp_path, sweep(), figures=("lengths_table1",)).read_text(encoding="utf-8")
    files = {path.name: path for path in (tmp_path / "figures").iterdir()}
    assert set(files) == {f"lengths_table1.{suffix}" for suffix in FORMATS}
    assert files["lengths_table1.csv"].read_text().splitlines()[1:] == [
        f"avmnist,mm,{method},7,False,False" for method in METHODS
    ]
    assert 'id="figure-lengths_table1"' in html and "Epochs of a run." in html
    assert 'src="data:image/svg+xml' in html


def test_an_unknown_suite_or_rule_is_named() -> None:
    with pytest.raises(ValueError, match="no suite 'table9'"):
        make_figures(CONFIG, "paper", {"table9": CELLS}, [])
    with pytest.raises(ValueError, match="val-best, last, test-oracle"):
        make_figures(CONFIG, "paper", {"table1": CELLS}, sweep(), "val-bset")


def test_matplotlib_is_loaded_to_draw_only() -> None:
    code = "import sys, benchmarks.report.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
