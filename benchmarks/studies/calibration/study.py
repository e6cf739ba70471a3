"""The error rates of every rule, measured on simulated runs with a known truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy.special import stdtrit
from tabulate import tabulate

from benchmarks.report.rules import cell
from benchmarks.report.rules.cell import LEVEL, MARGIN
from benchmarks.report.rules.paired import PairedTest, Sums, pair_sums, paired_test_of_sums
from benchmarks.report.rules.power import SHIFT, Plan, power
from benchmarks.studies.calibration.world import DATASETS, Dataset, World

SPREADS = (0.3, 0.8, 1.5)  # percentage points over seeds
SEEDS = (3, 5, 10)
ROWS = 13  # of the paper's Table 1
CELLS = 53  # of a column group of the paper, and of a simulated table here


@dataclass(frozen=True)
class Rates:
    """Fractions of verdicts for one test set, spread and number of seeds.

    Equal truth: `false_alarm` (`differs`), `single` (a paired test), `family` (any of a reference
    against all other rows), `all_pairs` (any pair of a ranking). `seeds_cover` and `pairs_cover`
    are how often the 95 % intervals hold the truth.

    Other truths: `found` is `differs` where the paper's training gives SHIFT points less on the
    same test samples. `reproduced` is that verdict where the printed number is our expected
    accuracy, and `one_off` where it is MARGIN points away. What the plan promised is
    `found_planned` and `reproduced_planned`.

    Two rows: `equivalent` is that finding of equal rows, and `not_equivalent` of rows whose
    expected accuracies are MARGIN apart.
    """

    dataset: str
    spread: float
    seeds: int
    false_alarm: float
    found: float
    found_planned: float
    reproduced: float
    reproduced_planned: float
    one_off: float
    seeds_cover: float
    single: float
    family: float
    all_pairs: float
    pairs_cover: float
    equivalent: float
    not_equivalent: float


@dataclass(frozen=True)
class TableRate:
    """How often a table of CELLS equal cells ends with exit status 1."""

    spread: float
    seeds: int
    exit_status: float


@dataclass(frozen=True)
class Study:
    """All rates, with the number of simulated columns behind each."""

    rates: tuple[Rates, ...]
    tables: tuple[TableRate, ...]
    columns: int


@dataclass
class _Column:
    """The draws of one world in sums: R columns of M rows, S seeds; accuracies in percent."""

    world: World
    accuracies: np.ndarray  # (R, M, S)
    expected: np.ndarray  # (R, M)
    printed: np.ndarray  # (R, M)
    tests: dict[int, PairedTest]  # by number of seeds; arrays are (R, pairs)


def run_study(
    columns: int, seed: int = 0, spreads: Sequence[float] = SPREADS, seeds: Sequence[int] = SEEDS
) -> Study:
    """Simulates this many columns for every test set and spread, and counts verdicts."""
    generator = np.random.default_rng(seed)
    rates, tables = [], []
    for spread in spreads:
        drawn = [_simulate(t, spread, seeds, columns, generator) for t in DATASETS]
        for n in seeds:
            rates += [_rates(column, n) for column in drawn]
            tables.append(TableRate(spread, n, _exit_status(drawn, n, generator)))
    return Study(tuple(rates), tuple(tables), columns)


def _simulate(
    dataset: Dataset,
    spread: float,
    seeds: Sequence[int],
    columns: int,
    generator: np.random.Generator,
) -> _Column:
    world = World(dataset, spread, ROWS, max(seeds))
    accuracies, expected, printed = [], [], []
    sums: dict[int, list[Sums]] = {n: [] for n in seeds}
    for _ in range(columns):
        draw = world.draw(generator)
        accuracies.append(100 * draw.right.mean(2) / dataset.segments)
        expected.append(draw.expected)
        printed.append(draw.printed)
        for n in seeds:
            sums[n].append(pair_sums(draw.right[:, :n], dataset.segments))
    tests = {n: paired_test_of_sums(_stacked(found)) for n, found in sums.items()}
    return _Column(world, *map(np.stack, (accuracies, expected, printed)), tests)  # type: ignore[arg-type, call-arg]


def _stacked(found: Sequence[Sums]) -> Sums:
    names = ("total", "squares", "seed_squares", "sample_squares")
    arrays = {name: np.stack([getattr(sums, name) for sums in found]) for name in names}
    return Sums(found[0].seeds, found[0].samples, **arrays)


def _rates(column: _Column, seeds: int) -> Rates:
    world, dataset = column.world, column.world.dataset
    values = column.accuracies[:, :, :seeds]
    mean, sd = values.mean(2), values.std(2, ddof=1)
    subset = cell.subset_error(mean, dataset.paper_samples, dataset.samples)
    needed = cell.smallest_difference(sd, seeds, subset)
    equal = mean - column.printed
    off = mean - column.expected
    half = stdtrit(seeds - 1, 1 - LEVEL / 2) * sd / math.sqrt(seeds)
    planned = power(
        Plan(seeds, world.spread, dataset.accuracy, dataset.samples, dataset.paper_samples)
    )
    test = column.tests[seeds]
    reference = slice(0, ROWS - 1)  # the pairs of the first row
    distance = np.abs(test.difference)
    margin = MARGIN / 100
    apart = replace(test, difference=test.difference + margin)
    return Rates(
        dataset.name,
        world.spread,
        seeds,
        false_alarm=_share(np.abs(equal) > needed),
        found=_share(np.abs(equal + SHIFT) > needed),
        found_planned=planned.found,
        reproduced=_share(cell.equivalence_p(off, sd, seeds) <= LEVEL),
        reproduced_planned=planned.reproduced,
        one_off=_share(cell.equivalence_p(off + MARGIN, sd, seeds) <= LEVEL),
        seeds_cover=_share(np.abs(off) <= half),
        single=_share((distance > test.critical(LEVEL))[:, reference]),
        family=_any(distance, test, reference),
        all_pairs=_any(distance, test, slice(None)),
        pairs_cover=_share(distance <= test.critical(LEVEL)),
        equivalent=_share((test.equivalent_within < margin)[:, reference]),
        not_equivalent=_share((apart.equivalent_within < margin)[:, reference]),
    )


def _any(distance: np.ndarray, test: PairedTest, pairs: slice) -> float:
    """How often Holm rejects at least one: the smallest p is below the level over their number."""
    tried = distance[:, pairs].shape[1]
    return _share((distance > test.critical(LEVEL / tried))[:, pairs].any(1))  # type: ignore[arg-type]


def _exit_status(drawn: Sequence[_Column], seeds: int, generator: np.random.Generator) -> float:
    """How often any cell of a table differs after Holm; tables mix cells of all test sets."""
    cells = np.concatenate([_differs_after_holm(column, seeds) for column in drawn])
    tables = generator.permutation(cells)[: len(cells) // CELLS * CELLS].reshape(-1, CELLS)
    return _share(tables.any(1))  # type: ignore[arg-type]


def _differs_after_holm(column: _Column, seeds: int) -> np.ndarray:
    dataset = column.world.dataset
    values = column.accuracies[:, :, :seeds]
    mean, sd = values.mean(2), values.std(2, ddof=1)
    subset = cell.subset_error(mean, dataset.paper_samples, dataset.samples)
    needed = cell.critical_difference(sd, seeds, subset, LEVEL / CELLS)
    return (np.abs(mean - column.printed) > np.maximum(MARGIN, needed)).ravel()


def _share(found: np.ndarray) -> float:
    return float(np.mean(found))


_SETTINGS = {"dataset": "test set", "spread": "spread (points)", "seeds": "seeds"}
_TABLES = {
    "How often a cell is judged wrongly": {
        "false_alarm": "`differs`, equal",
        "one_off": f"`reproduced`, {MARGIN:g} point off",
        "seeds_cover": "interval holds the truth",
    },
    "How often a cell is judged rightly, and what the plan promised": {
        "reproduced": "`reproduced`, equal",
        "reproduced_planned": "promised",
        "found": f"`differs`, {SHIFT:g} points off",
        "found_planned": "promised",
    },
    "Paired tests of equal rows": {
        "single": "one test significant",
        "family": f"any of {ROWS - 1} against a fixed row",
        "all_pairs": f"any of {ROWS * (ROWS - 1) // 2} pairs",
        "pairs_cover": "interval holds the truth",
    },
    f"Tests that two rows are equivalent within {MARGIN:g} point": {
        "not_equivalent": f"`equivalent`, {MARGIN:g} point apart",
        "equivalent": "`equivalent`, equal",
    },
}
_EXIT = {"exit_status": "exit status 1"}


def markdown(study: Study) -> str:
    """The tables for people, in percent; a heading above each."""
    parts = [
        f"Behind each line are {study.columns:,} simulated columns of {ROWS} rows. Rates are in "
        "percent of cells, tests or columns."
    ]
    for title, names in _TABLES.items():
        parts += [f"## {title}", _grid(study.rates, _SETTINGS | names)]
    settings = {name: _SETTINGS[name] for name in ("spread", "seeds")}
    parts += [
        f"## Tables of {CELLS} equal cells for which `compare` ends with exit status 1",
        _grid(study.tables, settings | _EXIT),
    ]
    return "\n\n".join(parts) + "\n"


def csv_lines(found: Iterable[Rates | TableRate]) -> list[list[object]]:
    """Rates as the lines of a CSV file; fractions."""
    rows = [asdict(each) for each in found]
    return [list(rows[0]), *(list(row.values()) for row in rows)]


def _grid(found: Iterable[Rates | TableRate], columns: Mapping[str, str]) -> str:
    """One line per setting: settings as they are, rates in percent."""
    lines = [
        [
            str(getattr(rates, name)) if name in _SETTINGS else f"{100 * getattr(rates, name):.1f}"
            for name in columns
        ]
        for rates in found
    ]
    align = ["left" if name == "dataset" else "right" for name in columns]
    headers = list(columns.values())
    return tabulate(lines, headers, tablefmt="pipe", disable_numparse=True, colalign=align)
