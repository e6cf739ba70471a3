"""MSLR: ratios of validation accuracies, and what they multiply."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from baselines.joint_train import JointTrain
from baselines.mslr import MSLR
from tests.baselines.resuming import differences_after_resuming
from tests.tiny import OPTIM, STILL, changed, tiny_batches, tiny_model, train, weights

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of")  # epochs without steps


def _after(audio: list[float], **params: Any) -> MSLR:
    """An MSLR that has seen these validation accuracies of audio, and constant visual ones."""
    method = MSLR(tiny_model(), OPTIM, **params)
    for accuracy in audio:
        method.end_epoch({"acc_audio": accuracy, "acc_visual": 0.5, "acc_mm": 0.9})
    return method


def test_ratio_by_hand() -> None:
    """0.6 against the mean of 0.2 and 0.4 is 2; then 0.5 against that of 0.4 and 0.6 is 1."""
    base = {"audio": 1.5}
    assert _after([0.2, 0.4], window=2, bases=base).factors["audio"] == 1.5
    assert _after([0.2, 0.4, 0.6], window=2, bases=base).factors["audio"] == pytest.approx(3)
    assert _after([0.2, 0.4, 0.6, 0.5], window=2, bases=base).factors["audio"] == pytest.approx(1.5)


@pytest.mark.parametrize("epochs", range(8))
def test_five_epochs_are_remembered_before_the_sixth_counts(epochs: int) -> None:
    accuracies = [0.1 * 2**e for e in range(epochs)]
    assert (_after(accuracies).ratios["audio"] != 1) == (epochs >= 6)
    assert _after(accuracies).ratios["visual"] == 1


def test_a_mean_of_zero_leaves_the_ratio_at_one() -> None:
    assert _after([0.0, 0.0, 0.3], window=2).ratios["audio"] == 1


def test_keeping_the_rates_ignores_the_accuracies() -> None:
    kept = _after([0.1, 0.9, 0.1, 0.9], window=1, strategy="keep", bases={"audio": 1.3})
    assert kept.factors == {"audio": 1.3, "visual": 1.0}


@pytest.mark.parametrize("count", [2, 3])
def test_encoder_and_own_head_move_by_the_factor_and_decay_as_ever(count: int) -> None:
    bases = {"audio": 0.5, "visual": 2.0}
    plain, scaled = tiny_model(count), tiny_model(count)
    before = weights(plain)
    train(JointTrain(plain, OPTIM), tiny_batches(1, count))
    train(MSLR(scaled, OPTIM, bases=bases), tiny_batches(1, count))
    after, found = weights(plain), weights(scaled)
    for m in plain.modalities:
        parts = (f"encoders.{m}.", f"fusion.heads.{m}.")
        for name in (n for n in before if n.startswith(parts)):
            shrunk = (1 - OPTIM.lr * OPTIM.weight_decay) * before[name]
            expected = shrunk + bases.get(m, 1.0) * (after[name] - shrunk)
            torch.testing.assert_close(found[name], expected, rtol=1e-9, atol=1e-12, msg=name)


def test_factors_are_reported() -> None:
    method = MSLR(tiny_model(), STILL, bases={"visual": 0.7})
    metrics = method.step(*tiny_batches()[0])
    assert (metrics["factor_audio"].item(), metrics["factor_visual"].item()) == (1.0, 0.7)


@pytest.mark.parametrize(
    ("bases", "message"),
    [
        ({"vidual": 1.0}, "bases names no modality 'vidual'; it has audio, visual"),
        ({"visual": -1.0}, "the base of 'visual' is -1.0; it must be at least 0"),
        ({"visual": "fast"}, "the base of 'visual' is 'fast'; it must be a finite number"),
        ({"visual": float("nan")}, "the base of 'visual' is nan; it must be a finite number"),
        (1.3, "bases' is 1.3; it must be a mapping"),
    ],
)
def test_wrong_bases_are_named(bases: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MSLR(tiny_model(), OPTIM, bases=bases)


@pytest.mark.parametrize("stop", [3, 6, 7])
def test_run_resumes_with_its_memory(stop: int) -> None:
    def build() -> MSLR:
        return MSLR(tiny_model(), OPTIM, bases={"audio": 1.3, "visual": 0.7})

    assert not differences_after_resuming(build, tiny_batches(2), stop, 9)


def test_state_is_no_window_into_the_method() -> None:
    method = _after([0.2, 0.4], window=2)
    state = method.state_dict()
    method.end_epoch({"acc_audio": 0.6, "acc_visual": 0.5})
    assert state["memory"]["audio"] == [0.2, 0.4]
    assert state["ratios"]["audio"] == 1


def test_one_modality_and_late_fusion_only() -> None:
    assert MSLR.unsupported(("audio",), "late") is None
    assert "early fusion" in (MSLR.unsupported(("audio", "visual"), "early") or "")
    before = weights(model := tiny_model(1))
    train(MSLR(model, OPTIM), tiny_batches(1, 1))
    assert changed(before, weights(model)) == before.keys()
