"""`modality_shares`: contributions from any score of any model."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from msam.shapley import coalitions, contributions, modality_shares, shapley_responses

NAMES = ("audio", "visual", "text")


def table(*values: float) -> dict[frozenset[str], Tensor]:
    """A score per coalition of three, smallest first."""
    return dict(zip(coalitions(NAMES), map(torch.tensor, values), strict=True))


def test_two_modalities_worked_by_hand() -> None:
    """Phi = (0.9 - 0.3 + 0.5) / 2 = 0.55 and (0.9 - 0.5 + 0.3) / 2 = 0.35."""
    scores = {("a",): 0.5, ("b",): 0.3, ("a", "b"): 0.9}
    nu = modality_shares(lambda present: scores[tuple(sorted(present))], ["a", "b"])
    assert {m: share.item() for m, share in nu.items()} == pytest.approx(
        {"a": 0.55 / 0.9, "b": 0.35 / 0.9}
    )
    assert all(share.ndim == 0 for share in nu.values())


@pytest.mark.parametrize("negatives", ["clip", "raw", "softmax"])
def test_shares_are_the_contributions_of_the_shapley_responses(negatives: str) -> None:
    values = table(0.2, 0.5, -0.9, 0.6, 0.1, 0.4, 0.8)
    found = modality_shares(values.__getitem__, NAMES, negatives=negatives)
    assert found == contributions(shapley_responses(values, NAMES), negatives)


def test_every_set_of_modalities_is_asked_for_once_and_without_gradient() -> None:
    asked: list[frozenset[str]] = []

    def score(present: frozenset[str]) -> Tensor:
        assert not torch.is_grad_enabled()
        asked.append(present)
        return torch.tensor(0.5)

    modality_shares(score, NAMES)
    assert asked == list(coalitions(NAMES)) and len(asked) == 7


def test_measuring_leaves_no_casts_without_gradient_to_autocast() -> None:
    """Torch 2.1 hands them to the next training pass, whose weights then get no gradient."""
    model, x = nn.Linear(4, 3), torch.randn(5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        modality_shares(lambda present: model(x).float().mean().abs(), NAMES)
        model(x).float().sum().backward()
    assert model.weight.grad is not None


@pytest.mark.parametrize("modalities", [(), "audio", ("audio", "audio")], ids=str)
def test_wrong_modalities_are_named(modalities: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="different names"):
        modality_shares(lambda present: torch.tensor(1.0), modalities)


@pytest.mark.parametrize("wrong", [torch.ones(8), torch.tensor(3)], ids=["vector", "integer"])
def test_score_that_is_no_single_number_is_named(wrong: Tensor) -> None:
    with pytest.raises(ValueError, match=r"score\(\['audio'\]\).*one real number"):
        modality_shares(lambda present: wrong, NAMES)
