"""Ranks with ties: rows apart, rows alike, and the sentence of a column."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.report.rules.ranking import rank


def rows(**chances: float) -> dict[str, np.ndarray]:
    """Right or wrong under 5 seeds on 2,000 test samples, with this chance."""
    generator = np.random.default_rng(11)
    return {name: generator.random((5, 2000)) < chance for name, chance in chances.items()}


def test_rows_that_cannot_be_told_apart_share_a_rank() -> None:
    found = rank(rows(low=0.5, best=0.7, tied=0.7, lowest=0.3))
    assert found.ranks == {"low": 3, "best": 1, "tied": 1, "lowest": 4}
    assert found.first == ["best", "tied"]
    assert "best and tied share the first rank" in found.sentence
    assert "6 pairs" in found.sentence


def test_one_row_ahead() -> None:
    found = rank(rows(low=0.5, best=0.7, lower=0.5))
    assert found.first == ["best"]
    assert "best is significantly better than 2 of 2 rows" in found.sentence


def test_equal_rows_have_one_rank() -> None:
    found = rank(rows(a=0.6, b=0.6, c=0.6))
    assert set(found.ranks.values()) == {1}
    assert found.sentence.startswith("No row is significantly better")


def test_holm_covers_all_pairs() -> None:
    found = rank(rows(a=0.6, b=0.6, c=0.6, d=0.6))
    assert len(found.adjusted) == 6
    assert min(found.adjusted.values()) > 0.05


def test_a_column_of_one_row() -> None:
    found = rank(rows(a=0.6))
    assert (found.ranks, found.sentence) == ({"a": 1}, "Too few rows to rank.")


def test_other_test_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="test samples"):
        rank({"a": np.zeros((5, 7)), "b": np.zeros((5, 6))})


def test_three_seeds_are_too_few_for_ranks() -> None:
    with pytest.raises(ValueError, match="5 common seeds, not 3"):
        rank({"a": np.zeros((3, 7)), "b": np.zeros((5, 7))})
