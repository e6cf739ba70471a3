"""The figure of the loss surface and the table of sharpness, from known numbers."""

from __future__ import annotations

import csv
import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.report.figures.style import typography
from benchmarks.report.figures.write import write_figures
from benchmarks.studies.sharpness.sharpness_files import (
    BlockCurvature,
    Curvature,
    CurvatureSettings,
    Surface,
    SurfaceSettings,
)
from benchmarks.studies.sharpness.sharpness_table import (
    page_tables,
    sharpness_rows,
    sharpness_text,
    write_sharpness,
)
from benchmarks.studies.sharpness.surface_figure import (
    LEVELS,
    common_levels,
    paint,
    surface_figures,
)
from tests.benchmarks.report.builders import CONFIG, READY, cell_of, plan, runs

SETTINGS = SurfaceSettings(grid=5)
CELLS = plan(avmnist=READY)
SAM, MSAM = (runs(cell_of(CELLS, row), 70, 71) for row in ("SAM", "M-SAM"))
# The same method with another radius: a run of `./reproduce.sh run --set rho=0.3`.
VARIANT = [
    replace(run, experiment=experiment, run_id=experiment.run_id)
    for run in SAM
    for experiment in [replace(run.experiment, params={"rho": 0.3})]
]


def surface(run, height, settings=SETTINGS, points=25):
    """A paraboloid of this height over the run's weights."""
    axis = settings.axis
    values = {(x, y): (height + x * x + 2 * y * y, 0.5) for x in axis for y in axis}
    return Surface(run.run_id, settings, dict(list(values.items())[:points]))


def drawn(figure):
    with typography():
        return paint(figure)


def test_every_method_has_a_panel_with_the_same_levels_and_the_cut_has_a_line_each():
    found = [surface(SAM[0], 1.0), surface(MSAM[0], 0.5)]
    (figure,) = surface_figures(CONFIG, [*SAM, *MSAM], found)
    page = drawn(figure)
    assert figure.rows == ["SAM", "M-SAM"]
    sam, msam, cut, bar = page.axes
    assert [axes.get_title() for axes in (sam, msam, cut)] == ["SAM", "M-SAM", "Cut at y = 0"]
    assert bar.get_ylabel() == "Loss"
    (legend,) = page.legends
    assert [text.get_text() for text in legend.get_texts()] == ["SAM", "M-SAM"]
    expected = np.geomspace(0.5, 4.0, LEVELS)
    for axes in (sam, msam):
        filled = axes.collections[0]
        assert np.allclose(filled.levels, expected)
        assert filled.norm.vmin == pytest.approx(0.5) and filled.norm.vmax == pytest.approx(4.0)
    assert len(cut.lines) == 2
    assert list(cut.lines[1].get_xdata()) == SETTINGS.axis
    assert list(cut.lines[1].get_ydata()) == [1.5, 0.75, 0.5, 0.75, 1.5]
    assert bar.get_ylim() == pytest.approx((0.5, 4.0))


def test_x_runs_to_the_right_where_the_loss_rises_less():
    (figure,) = surface_figures(CONFIG, SAM, [surface(SAM[0], 1.0)])
    filled = drawn(figure).axes[0].collections[0]
    centre = filled.get_paths()[0].get_extents()
    assert centre.width > 1.2 * centre.height


def test_the_csv_has_every_point_and_the_run_of_the_lowest_seed():
    found = [surface(run, 1.0 + i) for i, run in enumerate(SAM)]
    (figure,) = surface_figures(CONFIG, SAM, reversed(found))
    rows = list(csv.DictReader(figure.csv().splitlines()))
    assert len(rows) == 25
    assert {row["seed"] for row in rows} == {"0"}
    corner = [row for row in rows if (row["x"], row["y"]) == ("1.0000", "-0.5000")]
    assert [row["loss"] for row in corner] == ["2.5000"]
    assert "Seed 0." in figure.caption


def test_settings_and_fusions_never_share_a_figure():
    early = runs(cell_of(plan("table2", avmnist=READY), "SAM"), 70)
    wide = SurfaceSettings(grid=5, span=2.0)
    found = [
        surface(SAM[0], 1.0),
        surface(SAM[0], 1.0, wide),
        surface(early[0], 1.0),
    ]
    figures = surface_figures(CONFIG, [*SAM, *early], found)
    assert len({figure.name for figure in figures}) == 3
    assert sorted(len(figure.points) for figure in figures) == [25, 25, 25]


def test_incomplete_surfaces_and_runs_without_a_record_are_left_out():
    found = [surface(SAM[0], 1.0), surface(MSAM[0], 1.0, points=24)]
    (figure,) = surface_figures(CONFIG, [*SAM, *MSAM], found)
    assert figure.rows == ["SAM"]
    assert surface_figures(CONFIG, MSAM, found) == []


def test_variants_of_a_method_are_told_apart():
    found = [surface(run, 1.0) for run in (SAM[0], VARIANT[0])]
    (figure,) = surface_figures(CONFIG, [*SAM, *VARIANT], found)
    assert figure.rows == ["SAM", "SAM (rho=0.3)"]
    plain, other = (figure.looks[row] for row in figure.rows)
    assert plain.colour == other.colour
    assert (plain.dash, plain.marker) != (other.dash, other.marker)


def test_a_loss_that_is_not_finite_is_blank_and_not_drawn_as_a_number():
    found = surface(SAM[0], 1.0)
    found.points[1.0, 1.0] = (math.inf, 0.1)
    (figure,) = surface_figures(CONFIG, SAM, [found])
    assert len(figure.points) == 24
    assert (1.0, 1.0) not in {(point.x, point.y) for point in figure.points}
    drawn(figure)


def test_stand_in_data_is_marked():
    marked = runs(cell_of(CELLS, "SAM"), 70, stand_in=True)
    (figure,) = surface_figures(CONFIG, marked, [surface(marked[0], 1.0)])
    assert figure.stand_in and figure.caption.startswith("STAND-IN DATA (AV-MNIST)")
    texts = [text.get_text() for text in drawn(figure).axes[0].texts]
    assert texts == ["stand-in data"]


def test_files_are_written_and_the_same_again(tmp_path):
    (figure,) = surface_figures(CONFIG, SAM, [surface(SAM[0], 1.0)])
    first, again = (
        {path.suffix: path.read_bytes() for path in write_figures([figure], tmp_path / name).files}
        for name in "ab"
    )
    assert set(first) == {".csv", ".pdf", ".png"} and first == again


def test_levels_rise_even_for_a_flat_or_vanishing_loss():
    for losses in ([1.0, 1.0], [0.0, 0.0], [0.0, 5.0]):
        assert (np.diff(common_levels(losses)) > 0).all()


def curvature(run, eigenvalue, trace_error=3.0, settings=None, **changes):
    """A curvature with one block."""
    settings = settings or CurvatureSettings()
    block = BlockCurvature(10, 0.5, eigenvalue, 0.01, True, 9, 2 * eigenvalue, trace_error, 0.25)
    blocks = {"model": replace(block, **changes)}
    return Curvature(run.run_id, settings, 400, 0.7, 0.8, blocks)


def test_the_table_has_means_over_seeds_worked_out_by_hand():
    found = [curvature(SAM[0], 4.0, 3.0), curvature(SAM[1], 6.0, 4.0)]
    (row,) = sharpness_rows(CONFIG, SAM, found)
    assert (row.dataset, row.fusion, row.method, row.block) == ("avmnist", "late", "SAM", "model")
    assert (row.n, row.eigenvalue, row.trace, row.sharpness) == (2, 5.0, 10.0, 0.25)
    assert row.eigenvalue_sd == pytest.approx(2**0.5)
    assert row.trace_sd == pytest.approx(8**0.5)
    assert row.trace_error == pytest.approx(5 / 2)
    assert (row.samples, row.unconverged, row.gradient_norm, row.loss) == (400, 0, 0.5, 0.7)


def test_methods_variants_and_settings_have_rows_of_their_own():
    other = CurvatureSettings(split="test")
    found = [curvature(run, 4.0) for run in (SAM[0], MSAM[0], VARIANT[0])]
    found.append(curvature(SAM[0], 5.0, settings=other, converged=False))
    rows = sharpness_rows(CONFIG, [*SAM, *MSAM, *VARIANT], found)
    assert [(row.method, row.split, row.n, row.unconverged) for row in rows] == [
        ("SAM", "train", 1, 0),
        ("M-SAM", "train", 1, 0),
        ("SAM (rho=0.3)", "train", 1, 0),
        ("SAM", "test", 1, 1),
    ]
    assert sharpness_rows(CONFIG, [], found) == []


def test_the_file_has_every_column_and_no_spread_for_one_run(tmp_path):
    rows = sharpness_rows(CONFIG, SAM, [curvature(SAM[0], 4.0)])
    write_sharpness(rows, tmp_path / "sharpness.csv")
    (line,) = csv.DictReader((tmp_path / "sharpness.csv").read_text().splitlines())
    assert (line["eigenvalue"], line["eigenvalue_sd"], line["stand_in"]) == ("4", "", "False")
    text = sharpness_text(rows)
    assert "| 4 " in text and "±" not in text and "nan" not in text


def test_the_page_sorts_numbers_by_their_value_and_leaves_out_what_is_missing():
    (table,) = page_tables(sharpness_rows(CONFIG, SAM, [curvature(SAM[0], 4.123456)]))
    shown = dict(zip(table.columns[:6], table.lines[0], strict=False))
    assert shown["Method"] == "SAM"
    assert (shown["Eigenvalue"].value, shown["Eigenvalue"].text) == (4.123456, "4.12")
    assert table.lines[0][6].text == "", "no standard deviation of one run"
    assert page_tables([]) == []
