"""Who is in which split."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.store.splits import first_share, split_fingerprint, stratified


@pytest.mark.parametrize(
    ("rows", "kept"), [(60000, 54000), (10000, 9000), (6698, 6028), (744, 669)]
)
def test_the_published_shares_are_those_of_the_published_code(rows: int, kept: int) -> None:
    assert first_share(np.arange(rows)).tolist() == list(range(kept))


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_a_stratified_split_takes_its_share_of_every_class(share: float) -> None:
    labels = np.random.RandomState(1).choice(4, 997, p=[0.5, 0.3, 0.15, 0.05])
    rest, held_out = stratified(labels, share, seed=0)
    assert len(held_out) == round(share * len(labels))
    assert sorted([*rest, *held_out]) == list(range(len(labels)))
    for label in range(4):
        expected = share * (labels == label).sum()
        assert abs((labels[held_out] == label).sum() - expected) < 1


def test_a_stratified_split_depends_on_its_seed_alone() -> None:
    labels = np.arange(200) % 3
    again = stratified(labels, 0.1, seed=5)[1]
    assert np.array_equal(stratified(labels, 0.1, seed=5)[1], again)
    assert not np.array_equal(stratified(labels, 0.1, seed=6)[1], again)
    assert len(np.unique(again % 10)) > 5  # drawn, not every tenth


def test_the_fingerprint_of_a_split_sees_who_is_where_and_in_which_order() -> None:
    split = split_fingerprint(train=["a", "b"], val=["c"], test=["d"])
    assert split == split_fingerprint(train=["a", "b"], val=["c"], test=["d"])
    assert split != split_fingerprint(train=["b", "a"], val=["c"], test=["d"])
    assert split != split_fingerprint(train=["a"], val=["b", "c"], test=["d"])
