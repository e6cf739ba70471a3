"""Recon-Boost: the boosting loss, whose turn it is, and what each phase trains."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from baselines.reconboost import ReconBoost, boosting_loss, consolidation_loss
from baselines.registry import build_method
from msam.model import LateFusion, MultimodalModel
from tests.baselines.cases import train_epochs
from tests.baselines.host_sync import forbidden_host_sync
from tests.tiny import (
    MODALITIES,
    OPTIM,
    WIDTHS,
    changed,
    deviation,
    snapshot,
    tiny_batches,
    tiny_model,
    train,
    weights,
)

setting = pytest.mark.parametrize("fusion", ["late", "early"])
modalities = pytest.mark.parametrize("count", [2, 3])
ONE_EACH = {"boosting_epochs": 1, "rectification_epochs": 1}


def _run(method: ReconBoost, first: int, last: int) -> None:
    train_epochs(method, tiny_batches(2, len(method.model.modalities)), first, last)


def _method(fusion: str = "late", count: int = 2, **params: Any) -> ReconBoost:
    return ReconBoost(tiny_model(count, fusion), OPTIM, **ONE_EACH | params)


def _after(epochs: int, fusion: str = "late", count: int = 2, **params: Any) -> dict[str, Tensor]:
    method = _method(fusion, count, **params)
    _run(method, 0, epochs)
    return weights(method.model)


def test_boosting_loss_by_hand() -> None:
    """Two classes, undecided learner, others half right: (5 - 0.5) / 2 * ln 2."""
    f, q = torch.zeros(1, 2), torch.full((1, 2), 0.5)
    loss = boosting_loss(f, q, torch.tensor([1]), 5.0, 1.0)
    assert loss.item() == pytest.approx(4.5 / 2 * math.log(2))


def test_sample_that_the_others_know_counts_less() -> None:
    f, labels = torch.zeros(1, 3), torch.tensor([0])
    known, unknown = torch.tensor([[0.9, 0.1, 0.0]]), torch.tensor([[0.1, 0.9, 0.0]])
    ratio = boosting_loss(f, known, labels, 5, 1) / boosting_loss(f, unknown, labels, 5, 1)
    assert ratio.item() == pytest.approx((5 - 0.9) / (5 - 0.1))


def test_empty_ensemble_weighs_every_sample_alike() -> None:
    """Stage 0: plain cross-entropy times (w1 - w2) / C."""
    method = _method()
    [batch] = tiny_batches()
    metrics = method.step(*batch)
    assert metrics["objective"].item() == pytest.approx(metrics["loss_mm"].item() * 4 / 3)


def test_stages_take_turns_after_pretraining() -> None:
    method = _method(count=3, boosting_epochs=1, rectification_epochs=2, pretrain_epochs=1)
    seen = []
    for method.epoch in range(11):
        stage, name = method.phase
        seen.append((stage, name, method.learner(stage)))
    names = ("boost", "rectify", "rectify")
    turns = [(s, name, MODALITIES[s % 3]) for s in range(4) for name in names]
    assert seen == [(0, "pretrain", "audio"), *turns][:11]


def test_learner_joins_after_its_first_boosting() -> None:
    method, sizes = _method(count=3), []
    for method.epoch in range(8):
        sizes.append(len(method.members))
    assert sizes == [0, 1, 1, 2, 2, 3, 3, 3]
    assert _method(members="all").members == _method(pretrain_epochs=1).members == MODALITIES[:2]


def _parts(names: set[str]) -> set[str]:
    """`encoders.audio`, `fusion.heads.audio`, `fusion.block`, `fusion.classifier`."""
    depth = {"heads": 3}
    return {".".join(n.split(".")[: depth.get(n.split(".")[1], 2)]) for n in names}


@pytest.mark.parametrize("epoch", range(5))
@setting
def test_each_phase_trains_its_own_part(fusion: str, epoch: int) -> None:
    method = _method(fusion, rectification_epochs=1)
    _run(method, 0, epoch)
    before, rate = snapshot(method.model), method.boost_rate.item()
    train(method, tiny_batches())
    trained = [("audio",), ("audio",), ("visual",), MODALITIES[:2], ("audio",)][epoch]
    moved = {f"encoders.{m}" for m in trained}
    if fusion == "late":
        moved |= {f"fusion.heads.{m}" for m in trained}
    else:
        moved |= {"fusion.block", "fusion.classifier"}
    names = {n for n, _ in method.model.named_parameters()}
    assert _parts(changed(before, snapshot(method.model)) & names) == moved
    assert (method.boost_rate.item() != rate) == (method.phase[1] == "rectify")


@pytest.mark.parametrize("epoch", range(5))
def test_joint_network_records_statistics_of_complete_samples_only(epoch: int) -> None:
    method = _method("early")
    _run(method, 0, epoch)
    before = snapshot(method.model.fusion)
    train(method, tiny_batches())
    recorded = {n for n in changed(before, snapshot(method.model.fusion)) if "running" in n}
    assert bool(recorded) == (epoch == 3)


def test_momentum_starts_anew_with_every_phase() -> None:
    method = _method(boosting_epochs=2)
    sizes = []
    for epoch in range(4):
        sizes.append(len(method.optimizer.state))
        _run(method, epoch, epoch + 1)
    assert sizes[0] == sizes[2] == sizes[3] == 0 < sizes[1]


def test_phases_have_their_own_decaying_learning_rates() -> None:
    method = _method(boosting_lr=0.4, rectification_lr=None)
    rates = []
    for epoch in range(5):
        rates.append(method.optimizer.param_groups[0]["lr"])
        assert len({group["lr"] for group in method.optimizer.param_groups}) == 1
        _run(method, epoch, epoch + 1)
    assert rates == pytest.approx([0.4, 0.05, 0.04, 0.005, 0.004])


@setting
def test_published_consolidation_has_no_effect(fusion: str) -> None:
    assert not changed(_after(4, fusion, alpha=0.5), _after(4, fusion, alpha=50.0))


@modalities
def test_live_consolidation_acts_from_the_second_stage_on(count: int) -> None:
    dead, live = {"alpha": 5.0}, {"alpha": 5.0, "consolidation": "live"}
    assert not changed(_after(2, "late", count, **dead), _after(2, "late", count, **live))
    assert deviation(_after(3, "late", count, **dead), _after(3, "late", count, **live)) > 1e-6


def test_live_consolidation_compares_with_the_learner_of_the_stage_before() -> None:
    """Three modalities, stage 3: audio is drawn to text; and no gradient reaches text."""
    method = _method(count=3, consolidation="live", w1=0.0, w2=0.0, alpha=1.0)
    _run(method, 0, 6)
    [(inputs, labels)] = tiny_batches(1, 3)
    logits = method.model.modality_logits(deepcopy(method.model).encode(inputs), {})
    expected = consolidation_loss(logits["audio"], logits["text"])
    metrics = method.step(inputs, labels)
    assert method.phase == (3, "boost")
    assert metrics["objective"].item() == pytest.approx(expected.item())
    assert all(p.grad is None for p in method.model.modality_parameters("text"))


def test_pretraining_is_every_learner_alone() -> None:
    model = tiny_model()
    train_epochs(ReconBoost(model, OPTIM, pretrain_epochs=2), tiny_batches(2), 0, 2)
    for m in model.modalities:
        fresh = tiny_model()
        head = LateFusion({m: WIDTHS[m]}, 3).double()
        head.heads[m] = fresh.fusion.heads[m]
        alone = MultimodalModel({m: fresh.encoders[m]}, head)
        batches = [({m: inputs[m]}, labels) for inputs, labels in tiny_batches(2)]
        train_epochs(build_method("joint_train", alone, OPTIM), batches, 0, 2)
        for name, value in weights(alone).items():
            torch.testing.assert_close(weights(model)[name], value, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("stop", range(1, 7))
@setting
def test_run_resumes_in_every_phase(fusion: str, stop: int) -> None:
    params = {"pretrain_epochs": 1, "consolidation": "live", "boosting_lr": 0.1}
    runs = [_method(fusion, 3, **params) for _ in range(2)]
    _run(runs[0], 0, stop)
    train(runs[0], tiny_batches(1, 3))
    runs[1].model.load_state_dict(deepcopy(runs[0].model.state_dict()))
    runs[1].load_state_dict(deepcopy(runs[0].state_dict()))
    for run in runs:
        _run(run, stop, stop + 3)
    assert not changed(snapshot(runs[0].model), snapshot(runs[1].model))
    assert runs[0].boost_rate.item() == runs[1].boost_rate.item()


@modalities
@setting
def test_no_phase_waits_for_the_host(fusion: str, count: int) -> None:
    method = _method(fusion, count, consolidation="live", pretrain_epochs=1, absent="zero_input")
    for _ in range(6):
        with forbidden_host_sync():
            train(method, tiny_batches(1, count))
        method.end_epoch({})


def test_one_modality_is_not_supported() -> None:
    assert ReconBoost.unsupported(("audio",), "late") is not None
    assert ReconBoost.unsupported(("audio", "visual"), "early") is None
