"""Which test-set sizes the paper's printed numbers fit.

An accuracy on N test samples is k/N for a whole k. With two decimals, k/669 gives 670 of the 10,001
numbers from 0.00 to 100.00. If a printed number has nothing to do with N, it is one of them with
that share as its chance, and the hits of n numbers are binomial. Many more hits than expected say
that the numbers were measured on N samples.

All sizes from SMALLEST to LARGEST are tried for each dataset, so p is multiplied by their number
(Bonferroni). A size that was named for another reason needs no such correction. From 10,000 samples
on every number with two decimals fits, and the check says nothing. Multiples of a size share its
hits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.special import bdtrc
from tabulate import tabulate

from benchmarks.report.rules.cell import LEVEL
from benchmarks.report.tables.paper import load_paper, short_name

SUITES = ("table1", "table2")
SMALLEST, LARGEST = 50, 9_999
SHOWN = 5  # of each dataset's best sizes in the text
_NUMBERS = 10_001  # from 0.00 to 100.00

KNOWN = {
    "avmnist": {9_000: "first 90 % of MNIST's test split, as published code takes"},
    "cremad": {
        744: "the published test list",
        669: "first 90 % of the published test list, as published code takes",
    },
    "urfunny": {
        3_290: "test fold of the first release",
        2_626: "validation fold of the first release",
        1_058: "test fold of the second release",
    },
    "ave": {402: "clips of the official test split", 4_020: "seconds of the official test split"},
}
"""Sizes with a reason, by dataset: shown whatever their rank."""


@dataclass(frozen=True)
class PrintedNumber:
    """A percentage of the paper, in hundredths of a point: 55.31 is 5531."""

    suite: str
    row: str
    dataset: str
    output: str
    hundredths: int


@dataclass(frozen=True)
class Fit:
    """How well a dataset's printed numbers fit one size; `known` says where the size is from.

    `p` is the chance of so many hits for this size alone, `corrected` for all sizes tried.
    """

    dataset: str
    samples: int
    numbers: int
    hits: int
    expected: float
    p: float
    corrected: float
    known: str = ""


def printed_numbers() -> list[PrintedNumber]:
    """Every percentage of the paper's tables, in the paper's order."""
    return [
        PrintedNumber(suite, row, column.partition(":")[0], short_name(column), round(100 * value))
        for suite in SUITES
        for (row, column), value in load_paper(suite).items()
    ]


def gives(samples: int) -> np.ndarray:
    """Which of the numbers 0.00 to 100.00 are k of `samples`, rounded: (10001,) of bool.

    A tie may be rounded either way.
    """
    scaled = 10_000 * np.arange(samples + 1)
    found = np.zeros(_NUMBERS, dtype=bool)
    found[(2 * scaled + samples) // (2 * samples)] = True  # ties up
    found[-((samples - 2 * scaled) // (2 * samples))] = True  # ties down
    return found


def fits(numbers: Iterable[PrintedNumber]) -> dict[str, list[Fit]]:
    """Every size from SMALLEST to LARGEST for each dataset, the least probable first."""
    hundredths: dict[str, list[int]] = {}
    for number in numbers:
        hundredths.setdefault(number.dataset, []).append(number.hundredths)
    found: dict[str, list[Fit]] = {dataset: [] for dataset in hundredths}
    for samples in range(SMALLEST, LARGEST + 1):
        possible = gives(samples)
        for dataset, values in hundredths.items():
            hits = int(possible[values].sum())
            found[dataset].append(_fit(dataset, samples, len(values), hits, possible.mean()))
    return {d: sorted(each, key=lambda fit: (fit.p, fit.samples)) for d, each in found.items()}


def shown(ranked: Sequence[Fit]) -> list[Fit]:
    """The best sizes of a dataset, and those with a reason."""
    return [fit for rank, fit in enumerate(ranked) if rank < SHOWN or fit.known]


def _fit(dataset: str, samples: int, numbers: int, hits: int, chance: float) -> Fit:
    p = float(bdtrc(hits - 1, numbers, chance)) if hits else 1.0
    return Fit(
        dataset,
        samples,
        numbers,
        hits,
        expected=float(numbers * chance),
        p=p,
        corrected=min(1.0, p * (LARGEST - SMALLEST + 1)),
        known=KNOWN.get(dataset, {}).get(samples, ""),
    )


def markdown(numbers: Sequence[PrintedNumber], ranked: Mapping[str, Sequence[Fit]]) -> str:
    """The sizes that fit best, then the hits row by row where a size fits beyond chance."""
    parts = ["# Test-set sizes that the printed numbers fit", _ABOUT, _size_table(ranked.values())]
    for dataset, (best, *_) in ranked.items():
        if best.corrected < LEVEL:
            parts += [f"## {dataset}: k/{best.samples}", _row_table(numbers, best)]
    return "\n\n".join(parts) + "\n"


_ABOUT = (
    f"Every size from {SMALLEST:,} to {LARGEST:,} was tried. A hit is a printed number that is k "
    "of so many samples, rounded to two decimals; expected are the hits by chance. `p` is the "
    "chance of so many hits for one size, `corrected` for all sizes tried. Shown are the "
    f"{SHOWN} best sizes of each dataset and those with a reason."
)


def _size_table(ranked: Iterable[Sequence[Fit]]) -> str:
    lines = [
        [
            fit.dataset,
            f"{fit.samples:,}",
            f"{fit.hits} of {fit.numbers}",
            f"{fit.expected:.1f}",
            _p(fit.p),
            _p(fit.corrected),
            fit.known,
        ]
        for found in ranked
        for fit in shown(found)
    ]
    headers = ["dataset", "samples", "hits", "expected", "p", "corrected", "what has this size"]
    align = ["left", *["right"] * 5, "left"]
    return tabulate(lines, headers, tablefmt="pipe", disable_numparse=True, colalign=align)


def _row_table(numbers: Sequence[PrintedNumber], fit: Fit) -> str:
    """One line per row of the paper: its numbers, each with its k where it is a hit."""
    possible = gives(fit.samples)
    ours = [n for n in numbers if n.dataset == fit.dataset]
    outputs = list(dict.fromkeys(n.output for n in ours))
    rows: dict[tuple[str, str], dict[str, PrintedNumber]] = {}
    for number in ours:
        rows.setdefault((number.suite, number.row), {})[number.output] = number
    lines = []
    for (suite, row), cells in rows.items():
        hits = sum(bool(possible[n.hundredths]) for n in cells.values())
        texts = [_number(cells[o], fit.samples, possible) if o in cells else "" for o in outputs]
        lines.append([suite, row, *texts, f"{hits} of {len(cells)}"])
    align = ["left"] * 2 + ["right"] * (len(outputs) + 1)
    headers = ["table", "row", *outputs, "hits"]
    return tabulate(lines, headers, tablefmt="pipe", disable_numparse=True, colalign=align)


def _number(number: PrintedNumber, samples: int, possible: np.ndarray) -> str:
    text = f"{number.hundredths / 100:.2f}"
    if not possible[number.hundredths]:
        return text
    return f"{text} = {round(number.hundredths * samples / 10_000)}/{samples}"


def csv_lines(ranked: Mapping[str, Sequence[Fit]]) -> list[list[object]]:
    """The shown sizes as the lines of a CSV file."""
    lines: list[list[object]] = [[field.name for field in fields(Fit)]]
    for fit in (fit for found in ranked.values() for fit in shown(found)):
        chances = [f"{fit.expected:.3f}", _p(fit.p), _p(fit.corrected)]
        lines.append([fit.dataset, fit.samples, fit.numbers, fit.hits, *chances, fit.known])
    return lines


def _p(p: float) -> str:
    """Two digits: 0.0000013 as 1.3e-6."""
    return re.sub(r"e-0?", "e-", f"{p:.2g}")
