"""Ranks of a column's rows with ties: every pair is tested, so the best may be chosen on the data.

A test of the best row against the others is not valid when the same data chose the best: with equal
methods it finds a difference in 16 to 30 % of the columns. Holm's correction over all pairs holds
whatever pair is looked at afterwards.

Ranks need FEWEST_SEEDS. Holm over the 78 pairs of 13 rows takes the paired test to levels of
0.06 %. There three seeds give up to 11 % false alarms per column, because their spread is often too
small by chance. Five seeds give less than 6 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from benchmarks.report import statistics
from benchmarks.report.rules.cell import LEVEL
from benchmarks.report.rules.paired import pair_sums, paired_test_of_sums
from datasets.errors import counted

FEWEST_SEEDS = 5


@dataclass(frozen=True)
class Ranking:
    """Ranks of rows, and p of each pair after Holm over `pairs` pairs.

    A row's rank is 1 plus the number of rows that are significantly better. Rows of rank 1 are
    those that no row beats: the best mean and its ties.
    """

    ranks: Mapping[str, int]
    adjusted: Mapping[tuple[str, str], float]

    @property
    def first(self) -> list[str]:
        """The rows of rank 1."""
        return [row for row, rank in self.ranks.items() if rank == 1]

    @property
    def sentence(self) -> str:
        """What a reader may conclude from a column."""
        first, rows = self.first, len(self.ranks)
        if rows < 2:
            return "Too few rows to rank."
        test = (
            f"paired tests at {100 * LEVEL:.0f} %, Holm over {counted(len(self.adjusted), 'pair')}"
        )
        if len(first) == rows:
            return f"No row is significantly better than another ({test})."
        if len(first) == 1:
            beaten = sum(self._p(first[0], row) < LEVEL for row in self.ranks if row != first[0])
            return f"{first[0]} is significantly better than {beaten} of {rows - 1} rows ({test})."
        names = f"{', '.join(first[:-1])} and {first[-1]}"
        return f"{names} share the first rank: no row is significantly better ({test})."

    def _p(self, one: str, other: str) -> float:
        pair = (one, other) if (one, other) in self.adjusted else (other, one)
        return self.adjusted[pair]


def rank(correct: Mapping[str, np.ndarray]) -> Ranking:
    """Ranks rows by what part of each test sample they got right under each seed: (S, N) per row.

    All rows have the same seeds and test samples, in the same order. ValueError otherwise, and for
    fewer than FEWEST_SEEDS.
    """
    seeds = min((len(rows) for rows in correct.values()), default=0)
    if seeds < FEWEST_SEEDS:
        raise ValueError(f"ranks need {FEWEST_SEEDS} common seeds, not {seeds}")
    if len({rows.shape for rows in correct.values()}) > 1:
        shapes = ", ".join(str(rows.shape) for rows in correct.values())
        raise ValueError(f"ranks need the same seeds and test samples for all rows, not {shapes}")
    pairs = list(combinations(correct, 2))
    adjusted, better = [], dict.fromkeys(correct, 0)
    if pairs:
        test = paired_test_of_sums(pair_sums(np.stack(list(correct.values())).astype(np.float64)))
        adjusted = statistics.holm(test.p)  # type: ignore[arg-type]
        for (a, b), difference, p in zip(pairs, test.difference, adjusted, strict=True):  # type: ignore[arg-type]
            if p < LEVEL:
                better[b if difference > 0 else a] += 1
    ranks = {row: 1 + count for row, count in better.items()}
    return Ranking(ranks, dict(zip(pairs, adjusted, strict=True)))
