"""Mono-modal responses (Eq. 16-19) and contributions (Eq. 20)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from msam.model import Features, LateFusion
from msam.shapley import (
    coalition_logits,
    coalition_scores,
    coalitions,
    contributions,
    mono_modal_responses,
    response_probabilities,
    shapley_responses,
)
from tests.tiny import ConcatFusion

NAMES = ("audio", "visual", "text", "depth")
counts = pytest.mark.parametrize("count", [2, 3, 4])
scores = st.lists(st.floats(-10, 10), min_size=2, max_size=5)


def random_features(count: int) -> dict[str, Tensor]:
    """{m: (5, D_m)}, every width different."""
    return {m: torch.randn(5, 2 + i, dtype=torch.float64) for i, m in enumerate(NAMES[:count])}


def zeros_for(features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {m: torch.zeros_like(phi[:1]) for m, phi in features.items()}


class Bilinear(torch.nn.Module):
    """A fusion in which the modalities interact, keyed by name: sum_m h_m + prod_m h_m."""

    def __init__(self, features: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.maps = torch.nn.ModuleDict(
            {m: torch.nn.Linear(phi.shape[1], 3).double() for m, phi in features.items()}
        )

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        hidden = torch.stack([self.maps[m](features[m]) for m in sorted(features)])
        return hidden.sum(0) + hidden.prod(0)


def average_over_orders(values: Mapping[frozenset, Tensor], names: tuple[str, ...]) -> dict:
    """The mean gain of m over every order of arrival, with nothing worth nothing."""
    worth = {frozenset(): torch.zeros_like(values[frozenset(names)]), **values}
    gains: dict[str, list[Tensor]] = {m: [] for m in names}
    for order in permutations(names):
        for place, m in enumerate(order):
            before = frozenset(order[:place])
            gains[m].append(worth[before | {m}] - worth[before])
    return {m: torch.stack(g).mean(0) for m, g in gains.items()}


def assert_equal_responses(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    for m in left:
        torch.testing.assert_close(left[m], right[m], rtol=1e-12, atol=1e-12)


@counts
def test_coalitions_are_all_non_empty_sets_of_modalities(count: int) -> None:
    found = list(coalitions(NAMES[:count]))
    assert len(found) == len(set(found)) == 2**count - 1
    assert all(found) and set().union(*found) == set(NAMES[:count])


@counts
def test_responses_sum_to_the_logits(count: int) -> None:
    features = random_features(count)
    fuse = Bilinear(features)
    absent = {m: torch.randn_like(phi[:1]) for m, phi in features.items()}
    responses = mono_modal_responses(fuse, features, absent)
    torch.testing.assert_close(sum(responses.values()), fuse(features), rtol=1e-12, atol=1e-12)


@counts
def test_response_is_the_mean_gain_over_orders_of_arrival(count: int) -> None:
    features = random_features(count)
    values = coalition_logits(Bilinear(features), features, zeros_for(features))
    names = tuple(features)
    assert_equal_responses(shapley_responses(values, names), average_over_orders(values, names))


@counts
def test_order_of_the_modalities_does_not_change_a_response(count: int) -> None:
    features = random_features(count)
    fuse, absent = Bilinear(features), zeros_for(features)
    reverse = dict(reversed(features.items()))
    forward = mono_modal_responses(fuse, features, absent)
    backward = mono_modal_responses(fuse, reverse, absent)
    assert_equal_responses(forward, {m: backward[m] for m in forward})


@counts
def test_equal_modalities_get_equal_responses(count: int) -> None:
    size_only = {s: torch.tensor(float(len(s)) ** 2) for s in coalitions(NAMES[:count])}
    responses = list(shapley_responses(size_only, NAMES[:count]).values())
    assert all(torch.allclose(r, torch.tensor(float(count))) for r in responses)


@counts
def test_modality_that_changes_nothing_gets_its_share_of_the_empty_value_only(count: int) -> None:
    """Ledger row 2: with the empty value known, the response of a dummy is zero; with that value
    set to zero, each modality carries 1/M of it."""
    features = random_features(count)
    fuse, absent = Bilinear(features), zeros_for(features)
    dummy = NAMES[0]
    features[dummy] = absent[dummy].expand_as(features[dummy])
    values = coalition_logits(fuse, features, absent)
    values[frozenset()] = fuse({m: absent[m].expand_as(phi) for m, phi in features.items()})
    proper = shapley_responses(values, tuple(features), empty="value")[dummy]
    corrected = shapley_responses(values, tuple(features))[dummy]
    torch.testing.assert_close(proper, torch.zeros_like(proper), rtol=0, atol=1e-12)
    torch.testing.assert_close(corrected, values[frozenset()] / count, rtol=1e-12, atol=1e-12)


@counts
def test_equation_17_as_printed_does_not_sum_to_the_logits(count: int) -> None:
    features = random_features(count)
    values = coalition_logits(Bilinear(features), features, zeros_for(features))
    names = tuple(features)
    alone = torch.stack([values[frozenset({m})] for m in names]).mean(0)
    printed = sum(shapley_responses(values, names, empty="printed").values())
    torch.testing.assert_close(printed, values[frozenset(names)] - alone, rtol=1e-12, atol=1e-12)


@counts
@pytest.mark.parametrize("joint", [False, True], ids=["one_head_each", "one_linear_layer"])
def test_linear_head_with_zero_features_splits_the_bias_evenly(count: int, joint: bool) -> None:
    """Phi_m = W_m phi_m + b / M, with b the sum of the biases."""
    features = random_features(count)
    widths = {m: phi.shape[1] for m, phi in features.items()}
    if joint:
        fusion = ConcatFusion(sum(widths.values()), 3).double()
        blocks = dict(zip(widths, fusion.head.weight.split(list(widths.values()), 1), strict=True))
        bias = fusion.head.bias
    else:
        fusion = LateFusion(widths, 3).double()
        blocks = {m: head.weight for m, head in fusion.heads.items()}
        bias = sum(head.bias for head in fusion.heads.values())
    expected = {m: phi @ blocks[m].T + bias / count for m, phi in features.items()}
    responses = mono_modal_responses(fusion, features, zeros_for(features))
    assert_equal_responses(responses, expected)


def hand_made_logits() -> tuple[dict[frozenset, Tensor], Tensor]:
    """Two samples, two modalities. True-class probabilities: both 0.9 and 0.8, audio alone 0.8
    and 0.8, visual alone 0.2 and 0.9. A constant is added to every logit."""
    labels = torch.tensor([0, 1])
    true_class = {"av": [0.9, 0.8], "a": [0.8, 0.8], "v": [0.2, 0.9]}
    names = {"av": {"audio", "visual"}, "a": {"audio"}, "v": {"visual"}}
    logits = {}
    for key, p in true_class.items():
        first, second = p
        probabilities = torch.tensor([[first, 1 - first], [1 - second, second]]).double()
        logits[frozenset(names[key])] = probabilities.log() + 1.0
    return logits, labels


LOG_BOTH, LOG_AUDIO, LOG_VISUAL = (
    (math.log(p) + math.log(q)) / 2 for p, q in ((0.9, 0.8), (0.8, 0.8), (0.2, 0.9))
)


@pytest.mark.parametrize(
    ("value", "audio", "visual"),
    [
        # U = 0.85, 0.8, 0.55: (0.85 - 0.55 + 0.8) / 2 and (0.85 - 0.8 + 0.55) / 2
        ("prob", 0.55, 0.3),
        # both right 2 of 2, audio alone 2 of 2, visual alone 1 of 2
        ("accuracy", 0.75, 0.25),
        # minus the cross-entropy is the mean log probability
        (
            "neg_loss",
            (LOG_BOTH - LOG_VISUAL + LOG_AUDIO) / 2,
            (LOG_BOTH - LOG_AUDIO + LOG_VISUAL) / 2,
        ),
        # the true-class logit is the log probability plus one; half of the one for each
        (
            "logit",
            (LOG_BOTH - LOG_VISUAL + LOG_AUDIO + 1) / 2,
            (LOG_BOTH - LOG_AUDIO + LOG_VISUAL + 1) / 2,
        ),
        # odds of a response are sqrt(both * own / other): sqrt(9 * 4 / (1/4)) = 12 and
        # sqrt(4 * 4 / 9) = 4/3 for audio, sqrt(9 * (1/4) / 4) = 3/4 and sqrt(4 * 9 / 4) = 3
        ("response_prob", (12 / 13 + 4 / 7) / 2, (3 / 7 + 3 / 4) / 2),
    ],
    ids=["prob", "accuracy", "neg_loss", "logit", "response_prob"],
)
def test_value_worked_out_by_hand(value: str, audio: float, visual: float) -> None:
    logits, labels = hand_made_logits()
    names = ("audio", "visual")
    if value == "response_prob":
        found = response_probabilities(logits, labels, names)
    else:
        found = shapley_responses(coalition_scores(logits, labels, value), names)
    assert found["audio"].item() == pytest.approx(audio, rel=1e-6)
    assert found["visual"].item() == pytest.approx(visual, rel=1e-6)


def as_responses(values: list[float]) -> dict[str, Tensor]:
    return {f"m{i}": torch.tensor(v, dtype=torch.float64) for i, v in enumerate(values)}


@given(scores)
def test_clipped_and_softmax_contributions_are_shares_of_one(values: list[float]) -> None:
    for negatives in ("clip", "softmax"):
        shares = contributions(as_responses(values), negatives)
        assert all(0 <= s.item() <= 1 and s.ndim == 0 for s in shares.values())
        assert sum(s.item() for s in shares.values()) == pytest.approx(1)


@given(scores.filter(lambda values: abs(sum(values)) > 1e-3))
def test_raw_contributions_sum_to_one(values: list[float]) -> None:
    shares = contributions(as_responses(values), "raw")
    assert sum(s.item() for s in shares.values()) == pytest.approx(1)


@given(st.lists(st.floats(1e-3, 10), min_size=2, max_size=5))
def test_options_for_negatives_agree_on_positive_responses(values: list[float]) -> None:
    clipped, raw = (contributions(as_responses(values), n) for n in ("clip", "raw"))
    assert [s.item() for s in clipped.values()] == pytest.approx([s.item() for s in raw.values()])


@given(scores, st.randoms(use_true_random=False))
def test_contributions_follow_their_modality(values: list[float], rng) -> None:
    responses = as_responses(values)
    shuffled = list(responses.items())
    rng.shuffle(shuffled)
    for negatives in ("clip", "softmax"):
        direct = contributions(responses, negatives)
        other = contributions(dict(shuffled), negatives)
        assert all(direct[m].item() == pytest.approx(other[m].item()) for m in direct)


def test_clipping_sets_a_negative_response_to_zero() -> None:
    shares = contributions(as_responses([3.0, -5.0, 1.0]))
    assert [s.item() for s in shares.values()] == [0.75, 0.0, 0.25]


@pytest.mark.parametrize("values", [[-1.0, -2.0], [0.0, 0.0, 0.0], [1e-12, -1.0]])
def test_clipping_is_uniform_where_nothing_is_left(values: list[float]) -> None:
    shares = contributions(as_responses(values))
    assert [s.item() for s in shares.values()] == [1 / len(values)] * len(values)


def test_raw_contributions_reverse_the_ranking_when_the_sum_is_negative() -> None:
    """Why clipping is the default: the worse modality becomes the dominant one."""
    shares = contributions(as_responses([-1.5, -0.5]), "raw")
    assert [s.item() for s in shares.values()] == [0.75, 0.25]


def test_raw_contributions_explode_when_the_sum_is_small() -> None:
    shares = contributions(as_responses([1.0, -0.98]), "raw")
    assert [s.item() for s in shares.values()] == pytest.approx([50, -49])


def test_softmax_contributions_keep_the_ranking() -> None:
    shares = contributions(as_responses([0.0, math.log(3.0)]), "softmax")
    assert [s.item() for s in shares.values()] == pytest.approx([0.25, 0.75])


def test_a_fusion_of_ones_own_is_asked_for_every_coalition() -> None:
    class Halved(LateFusion):
        def forward(self, features: Features) -> Tensor:
            return super().forward(features) / 2

    fuse = Halved({"audio": 3, "visual": 4}, classes=5)
    features = {"audio": torch.randn(6, 3), "visual": torch.randn(6, 4)}
    absent = {m: torch.zeros_like(phi[:1]) for m, phi in features.items()}
    whole = coalition_logits(fuse, features, absent)[frozenset(features)]
    torch.testing.assert_close(whole, fuse(features))
