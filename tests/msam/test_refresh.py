"""M-SAM with contributions that are measured seldom, and batched coalitions (ledger row 16)."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import pytest
import torch

from msam.model import LateFusion, present_only
from msam.msam import MSAM
from msam.shapley import Empty, coalition_logits, coalitions, shapley_responses
from tests.baselines.resuming import differences_after_resuming
from tests.tiny import OPTIM, tiny_batches, tiny_model, train, weights


def _reported(method: MSAM, number: int) -> list[float]:
    return [float(method.step(x, y)["contribution_audio"]) for x, y in tiny_batches(number)]


def test_contributions_stay_for_k_steps() -> None:
    seen = _reported(MSAM(tiny_model(), OPTIM, refresh=3), 7)
    assert seen[0] == seen[1] == seen[2] != seen[3] == seen[4] == seen[5] != seen[6]
    assert len(set(_reported(MSAM(tiny_model(), OPTIM), 7))) == 7


def test_the_kept_contributions_are_those_of_the_update() -> None:
    """The first step is the same; the second one differs."""
    models = [tiny_model(), tiny_model()]
    methods = [MSAM(m, OPTIM, refresh=k, rho=0.5) for m, k in zip(models, (1, 2), strict=True)]
    for method in methods:
        train(method, tiny_batches(1))
    first, second = (weights(model) for model in models)
    assert all(torch.equal(first[n], second[n]) for n in first)
    for method in methods:
        train(method, tiny_batches(1, seed=9))
    first, second = (weights(model) for model in models)
    assert any(not torch.equal(first[n], second[n]) for n in first)


@pytest.mark.parametrize("refresh", [1, 2, 5])
def test_resuming_in_the_middle_of_an_interval_is_exact(refresh: int) -> None:
    """Three steps an epoch, so that no epoch ends with an interval."""

    def build() -> MSAM:
        return MSAM(tiny_model(), OPTIM, refresh=refresh)

    assert not differences_after_resuming(build, tiny_batches(3), stop=1, last=3)


def test_refresh_is_a_positive_whole_number() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        MSAM(tiny_model(), OPTIM, refresh=0)


@pytest.mark.parametrize("segments", [1, 2])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_a_sum_of_heads_needs_no_fusion_call_per_coalition(count: int, segments: int) -> None:
    names = [f"m{i}" for i in range(count)]
    fusion = LateFusion({m: 3 + i for i, m in enumerate(names)}, 4).double()
    features = {m: torch.randn(6, 3 + i).double() for i, m in enumerate(names)}
    absent = {m: torch.randn(segments, 3 + i).double() for i, m in enumerate(names)}
    calls: list[str] = []
    for m, head in fusion.heads.items():
        head.register_forward_hook(lambda *_, m=m: calls.append(m))
    found = coalition_logits(fusion, features, absent)
    assert sorted(calls) == sorted(names * 2)
    assert list(found) == list(coalitions(tuple(names)))
    for s, logits in found.items():
        expected = fusion(present_only(features, absent, s))
        assert torch.allclose(logits, expected, rtol=0, atol=1e-12)


def _shapley_by_hand(values, names, empty):
    count = len(names)
    for m in names:
        total = 0.0
        others = [n for n in names if n != m]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for c in map(frozenset, combinations(others, size)):
                if c or empty != "printed":
                    before = values[c] if c or empty == "value" else 0.0
                    total = total + weight * (values[c | {m}] - before)
        yield m, total


@pytest.mark.parametrize("empty", ["zero", "value", "printed"])
@pytest.mark.parametrize("count", [2, 3, 6])
def test_the_weights_in_one_table_are_those_of_the_sum(count: int, empty: Empty) -> None:
    names = tuple(f"m{i}" for i in range(count))
    values = {s: torch.randn(5, 2).double() for s in (*coalitions(names), frozenset())}
    found = shapley_responses(values, names, empty)
    for m, expected in _shapley_by_hand(values, names, empty):
        assert torch.allclose(found[m], expected, rtol=0, atol=1e-12)
