"""Numbers of the published protocol are labelled wherever they appear, and truly."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.plan.suites import Cell
from benchmarks.records.record import RunRecord
from benchmarks.report.figures.style import typography
from benchmarks.report.figures.write import make_figures
from benchmarks.report.wording import published_warning, run_labels
from benchmarks.report.write import write_report
from datasets.spec import THREE_PARTS
from tests.benchmarks.report.builders import (
    CONFIG,
    READY,
    cell_of,
    epoch,
    plan,
    record,
    request_of,
    runs,
)


def under(protocol: str, cell: Cell) -> Cell:
    """The cell under this protocol; the default is named by no word."""
    data = {**cell.template.data, **({"protocol": protocol} if protocol != "validation" else {})}
    return replace(cell, template=replace(cell.template, data=data))


def cells(protocol: str) -> list[Cell]:
    return [under(protocol, cell) for cell in plan(avmnist=READY)]


def sweep(protocol: str) -> list[RunRecord]:
    planned = cells(protocol)
    test = {"acc_audio": 0.4, "acc_visual": 0.6, "acc_mm": 0.7}
    shares = {"contribution_audio": 0.4, "contribution_visual": 0.6}
    history = [epoch(1, 0.5, test) | {"train": {"acc_mm": 0.8, **shares}}]
    place, timing = {"device": "a device"}, {"epoch_seconds": [1.5]}
    made = [
        record(cell_of(planned, row), seed, history=history)
        for row in ("Joint-Train", "SAM", "M-SAM")
        for seed in range(3)
    ]
    return [replace(run, environment=place, timing=timing) for run in made]


@pytest.fixture(scope="module", params=["validation", "published"])
def protocol(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def written(protocol: str, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("report")
    write_report(request_of({"table1": cells(protocol)}, sweep(protocol)), out)
    return out


@pytest.mark.parametrize("name", ["significance", "selection", "comparison", "claims"])
def test_every_line_on_such_runs_is_labelled(name: str, written: Path, protocol: str) -> None:
    lines = list(csv.DictReader((written / f"{name}.csv").open(newline="")))
    key = {"claims": "column", "significance": "column"}.get(name, "dataset")
    labels = {line["published_protocol"] for line in lines if "avmnist" in line[key]}
    others = {line["published_protocol"] for line in lines if "avmnist" not in line[key]}
    assert str(protocol == "published") in labels
    assert (labels | others <= {"False"}) == (protocol != "published")
    assert others <= {"False"}


def test_the_table_names_their_datasets_in_a_column(written: Path, protocol: str) -> None:
    head, *lines = csv.reader((written / "table1.csv").open(newline=""))
    assert ("published_protocol" in head) == (protocol == "published")
    named = {line[0] for line in lines if line[-1] == "avmnist"}
    rows = {"Joint-Train", "SAM", "M-SAM"} if protocol == "published" else set()
    assert named == rows


@pytest.mark.parametrize("name", ["table1.md", "table1.tex", "claims.md"])
def test_every_text_is_labelled(name: str, written: Path, protocol: str) -> None:
    text = (written / name).read_text(encoding="utf-8").lower()
    assert ("published protocol" in text) == (protocol == "published")


def test_every_figure_is_labelled_in_drawing_caption_and_numbers(protocol: str) -> None:
    made = make_figures(CONFIG, "paper", {"table1": cells(protocol)}, sweep(protocol))
    drawn = [figure for figure in made if figure.points]
    assert len(drawn) == 7
    for figure in drawn:
        with typography():
            axes = figure.paint(figure).axes
        marks = [any(t.get_text() == "published protocol" for t in a.texts) for a in axes]
        assert marks == [protocol == "published"] * len(axes), figure.name
        assert ("PUBLISHED PROTOCOL" in figure.caption) == (protocol == "published")
        column = {row["published_protocol"] for row in csv.DictReader(figure.csv().splitlines())}
        assert column == {str(protocol == "published")}


def test_single_runs_are_called_so(protocol: str) -> None:
    (run,) = runs(cell_of(cells(protocol), "SAM"), 70.0)
    (label,) = run_labels(CONFIG, [run]).values()
    assert label == ("SAM (published protocol)" if protocol == "published" else "SAM")


def test_single_runs_with_wrong_labels_are_called_so() -> None:
    noisy = cell_of(plan("noise", avmnist=READY), "SAM, 60 % wrong")
    ((clean,), (wrong,)) = (
        runs(cell, 70.0) for cell in (cell_of(cells("validation"), "SAM"), noisy)
    )
    labels = run_labels(CONFIG, [clean, wrong])
    assert list(labels.values()) == ["SAM", "SAM (60 % wrong labels)"]


def test_the_warning_says_which_samples_are_reported() -> None:
    (text,) = published_warning(CONFIG, ["ave", "avmnist", "urfunny", "cremad", "ave"])
    found = dict(re.findall(r"([^(;]+): ([^;:)]+)(?=[;)])", text.partition(" (")[2]))
    assert {k.strip(): v for k, v in found.items()} == {
        "AVE, UR-Funny": "the official validation part",
        "AV-MNIST, CREMA-D": "the first 90 % of the test rows",
    }
    assert THREE_PARTS["published"]["test"] == "val"
    assert published_warning(CONFIG, []) == []
