"""The error rates of the verdicts on a reduced run, and the truth of the simulation itself."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from benchmarks.report.rules.paired import pair_sums, paired_test, paired_test_of_sums
from benchmarks.studies.calibration import collector, study
from benchmarks.studies.calibration.study import Rates, markdown, run_study
from benchmarks.studies.calibration.world import DATASETS, Dataset, World
from tests.syntax import ROOT

COLUMNS = 100  # 1,300 cells and 100 families for each setting
SMALL = {t.name: t for t in DATASETS if t.name != "avmnist"}


@pytest.fixture(scope="module")
def found() -> study.Study:
    return run_study(COLUMNS, seed=3)


def mean(rates: tuple[Rates, ...], name: str) -> float:
    return float(np.mean([getattr(r, name) for r in rates]))


def test_every_setting_is_there(found: study.Study) -> None:
    settings = Counter((r.dataset, r.spread, r.seeds) for r in found.rates)
    assert len(settings) == 4 * 3 * 3 and set(settings.values()) == {1}
    assert len(found.tables) == 3 * 3


@pytest.mark.parametrize(
    ("rate", "low", "high", "noise"),
    [  # demanded of each setting; `noise` is 3 standard errors of this reduced run
        ("false_alarm", 0.0, 0.06, 0.02),
        ("one_off", 0.0, 0.06, 0.02),
        ("single", 0.02, 0.06, 0.025),
        ("family", 0.01, 0.07, 0.06),
        ("not_equivalent", 0.0, 0.06, 0.025),
        ("seeds_cover", 0.93, 0.98, 0.02),
        ("pairs_cover", 0.93, 0.98, 0.02),
    ],
)
def test_rates_are_as_demanded(
    found: study.Study, rate: str, low: float, high: float, noise: float
) -> None:
    assert low <= mean(found.rates, rate) <= high
    for r in found.rates:
        assert low - noise <= getattr(r, rate) <= high + noise, r


def test_equal_rows_are_often_called_equivalent_on_a_large_test_set(found: study.Study) -> None:
    (rate,) = (r for r in found.rates if (r.dataset, r.spread, r.seeds) == ("avmnist", 0.3, 5))
    assert rate.equivalent > 0.5


def test_ranks_keep_their_level_from_five_seeds_on(found: study.Study) -> None:
    enough = tuple(r for r in found.rates if r.seeds >= 5)
    assert mean(enough, "all_pairs") <= 0.05
    assert max(r.all_pairs for r in enough) <= 0.07 + 0.06


def test_a_table_of_equal_cells_rarely_ends_with_status_1(found: study.Study) -> None:
    assert np.mean([t.exit_status for t in found.tables]) <= 0.06
    assert max(t.exit_status for t in found.tables) <= 0.06 + 0.06


@pytest.mark.parametrize("verdict", ["found", "reproduced"])
def test_the_plan_promises_what_is_found(found: study.Study, verdict: str) -> None:
    off = [getattr(r, verdict) - getattr(r, f"{verdict}_planned") for r in found.rates]
    assert abs(np.mean(off)) < 0.01
    assert np.abs(off).max() < 0.03 + 0.03


def test_the_collector_gives_the_verdicts_of_the_rules() -> None:
    passed = collector.pass_through(1, (0.3, 1.5), (3, 5), seed=5)
    assert [p.others for p in passed] == [0] * 4
    assert [p.cells for p in passed] == [40] * 4
    assert [p.tested for p in passed] == [36] * 4
    assert sum(p.differs for p in passed) <= 16
    rows = [line.split("|") for line in collector.markdown(passed).splitlines() if "|" in line]
    other = next(n for n, cell in enumerate(rows[0]) if "other verdict" in cell)
    assert [int(row[other]) for row in rows[2:]] == [0] * 4


def test_the_table_has_a_line_per_setting(found: study.Study) -> None:
    lines = markdown(found).splitlines()
    assert sum(line.startswith("| cremad") for line in lines) == 4 * 9
    assert len(study.csv_lines(found.rates)) == 1 + 36


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        ("`differs`, equal", 0.0, 6.0),
        ("`reproduced`, 1 point off", 0.0, 6.0),
        ("one test significant", 2.0, 6.0),
        ("any of 12 against a fixed row", 1.0, 7.0),
        ("interval holds the truth", 93.0, 98.0),
        ("`equivalent`, 1 point apart", 0.0, 6.0),
        ("exit status 1", 0.0, 6.0),
    ],
)
def test_the_committed_table_holds_what_is_demanded(column: str, low: float, high: float) -> None:
    values = [float(line[column]) for line in committed() if column in line]
    assert len(values) >= 9
    assert low <= min(values) and max(values) <= high


def committed() -> list[dict[str, str]]:
    """The lines of every table of docs/calibration.md by the names of their columns."""
    lines: list[dict[str, str]] = []
    headers: list[str] = []
    for line in (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if not cells:
            headers = []
        elif not headers:
            headers = cells
        elif not line.startswith(("|:", "|-")):
            lines.append(dict(zip(headers, cells, strict=True)))
    return lines


@pytest.mark.parametrize("name", sorted(SMALL))
@pytest.mark.parametrize("spread", [0.3, 1.5])
def test_the_world_has_the_spread_and_accuracy_that_it_says(name: str, spread: float) -> None:
    world = World(SMALL[name], spread, rows=10, seeds=10)
    generator = np.random.default_rng(1)
    draws = [world.draw(generator) for _ in range(40)]
    accuracies = np.stack([100 * d.right.mean(2) / world.dataset.segments for d in draws])
    assert np.sqrt(accuracies.var(2, ddof=1).mean()) == pytest.approx(spread, rel=0.05)
    assert accuracies.mean() == pytest.approx(world.dataset.accuracy, abs=0.5)
    expected = np.stack([d.expected for d in draws])
    assert accuracies.mean() == pytest.approx(expected.mean(), abs=0.1)
    printed = np.stack([d.printed for d in draws])
    assert printed.mean() == pytest.approx(expected.mean(), abs=0.4)


def test_test_samples_are_hard_for_all_rows() -> None:
    right = World(SMALL["cremad"], 0.8, rows=2, seeds=3).draw(np.random.default_rng(2)).right
    assert 0.4 < np.corrcoef(right[0].mean(0), right[1].mean(0))[0, 1] < 0.9


@pytest.mark.parametrize("segments", [1, 10])
def test_sums_of_all_pairs_give_the_paired_test(segments: int) -> None:
    dataset = Dataset("toy", 60, 60, 70.0, segments)
    right = World(dataset, 2.0, rows=4, seeds=3).draw(np.random.default_rng(4)).right
    found = paired_test_of_sums(pair_sums(right, segments))
    for i, (a, b) in enumerate(combinations(range(4), 2)):
        expected = paired_test(right[a] / segments, right[b] / segments)
        assert found.difference[i] == pytest.approx(expected.difference)
        assert found.of_seeds[i] == pytest.approx(expected.of_seeds)
        assert found.of_samples[i] == pytest.approx(expected.of_samples, abs=1e-12)
