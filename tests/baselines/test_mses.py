"""MSES: when a modality stops, what goes back, and that it stays there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from baselines.joint_train import JointTrain
from baselines.mses import MSES, Watch
from msam.optim import OptimConfig
from tests.baselines.host_sync import forbidden_host_sync
from tests.baselines.resuming import differences_after_resuming
from tests.tiny import OPTIM, STILL, changed, snapshot, tiny_batches, tiny_model, train, weights

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of")  # epochs without steps
OPTIONS = [
    {"stop": stop, "restore": restore}
    for stop in ("freeze", "zero_gradient")
    for restore in ("modality", "model", "none")
]
options = pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o.values()))
FOREVER = 1_000_000


def _smoothed(*losses: float) -> list[float]:
    watch, found = Watch(), []
    for epoch, loss in enumerate(losses, start=1):
        watch.observe(loss, epoch)
        found.append(watch.smoothed)
    return found


def test_loss_is_smoothed_over_two_raw_losses() -> None:
    """An exponential average would give 1.04 at the third epoch."""
    assert _smoothed(1.0, 2.0, 0.5) == pytest.approx([1.0, 1.4, 1.4])


def test_an_equal_loss_is_no_improvement() -> None:
    watch = Watch()
    assert [watch.observe(1.0, epoch) for epoch in (1, 2, 3)] == [True, False, False]
    assert watch.lowest_epoch == 1


def _ended(method: MSES, audio: float, visual: float) -> None:
    method.end_epoch({"loss_audio": audio, "loss_visual": visual, "loss_mm": 9.0, "acc_mm": 0.1})


def _run(method: MSES, audio: list[float], visual: list[float] | None = None) -> MSES:
    """One step and one end for each epoch; visual gets better unless told otherwise."""
    for epoch, loss in enumerate(audio):
        train(method, tiny_batches(1, seed=epoch))
        _ended(method, loss, 1.0 - 0.01 * epoch if visual is None else visual[epoch])
    return method


def _stopped(method: MSES) -> list[str]:
    return [m for m, watch in method.watches.items() if watch.stopped]


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_modality_stops_when_patience_is_exceeded(patience: int) -> None:
    """Best in epoch 2: it still trains in epoch 2 + patience and stops after one more."""
    losses = [2.0, 1.0, *(10.0 + e for e in range(9))]
    assert not _stopped(_run(MSES(tiny_model(), OPTIM, patience=patience), losses[: 2 + patience]))
    method = _run(MSES(tiny_model(), OPTIM, patience=patience), losses[: 3 + patience])
    assert _stopped(method) == ["audio"]


def _part(values: dict[str, Any], modality: str) -> dict[str, Any]:
    keys = (f"encoders.{modality}.", f"fusion.heads.{modality}.")
    return {name: value for name, value in values.items() if name.startswith(keys)}


def _until_stopped(**params: Any) -> tuple[MSES, dict[str, Any], dict[str, Any]]:
    """Audio is best in epoch 2 and stops after epoch 4; the weights then, and those of epoch 2."""
    method = MSES(tiny_model(), OPTIM, patience=1, **params)
    _run(method, [2.0, 1.0])
    best = snapshot(method.model)
    for epoch in (3, 4):
        train(method, tiny_batches(1, seed=10 + epoch))
        last = snapshot(method.model)
        _ended(method, 3.0, 1.0 - 0.1 * epoch)
    assert _stopped(method) == ["audio"]
    return method, best, last


def test_stopped_modality_alone_goes_back_to_its_best_epoch() -> None:
    method, best, last = _until_stopped()
    now = snapshot(method.model)
    assert not changed(_part(best, "audio"), _part(now, "audio"))
    assert not changed(_part(last, "visual"), _part(now, "visual"))
    assert changed(_part(best, "visual"), _part(now, "visual"))


def test_whole_model_goes_back_if_asked() -> None:
    method, best, _ = _until_stopped(restore="model")
    assert not changed(best, snapshot(method.model))


def test_nothing_goes_back_if_asked() -> None:
    method, _, last = _until_stopped(restore="none")
    assert not changed(last, snapshot(method.model))
    assert not method.saved


def test_whole_model_goes_back_with_its_momentum_but_not_its_learning_rate() -> None:
    """OPTIM decays after epochs 2 and 4: the restored epoch 2 has the rate of epoch 3."""
    method = MSES(tiny_model(), OPTIM, patience=1, restore="model")
    _run(method, [2.0, 1.0])
    first = next(method.model.parameters())
    momentum = method.optimizer.state[first]["momentum_buffer"].clone()
    for _ in range(2):
        train(method, tiny_batches(1, seed=20))
        _ended(method, 3.0, 0.5)
    assert _stopped(method) == ["audio"]
    assert torch.equal(method.optimizer.state[first]["momentum_buffer"], momentum)
    decayed = OPTIM.lr * OPTIM.decay_factor**2
    assert method.optimizer.param_groups[0]["lr"] == pytest.approx(decayed)
    assert method.scheduler.get_last_lr() == [method.optimizer.param_groups[0]["lr"]]


def test_first_epoch_can_be_restored() -> None:
    method = MSES(tiny_model(), OPTIM, patience=1)
    _run(method, [1.0])
    best = snapshot(method.model)
    train(method, tiny_batches(2, seed=5))
    for _ in range(2):
        _ended(method, 2.0, 0.5)
    assert not changed(_part(best, "audio"), _part(snapshot(method.model), "audio"))


def test_frozen_modality_does_not_move_at_all() -> None:
    """BatchNorm's statistics, momentum and weight decay included; the other one trains on."""
    method, *_ = _until_stopped()
    before = snapshot(method.model)
    _run(method, [3.0, 0.1, 3.0], [0.5, 0.4, 0.3])  # also not when its loss gets better
    after = snapshot(method.model)
    assert not changed(_part(before, "audio"), _part(after, "audio"))
    assert "audio" not in method.saved
    others = _part(before, "visual")
    assert changed(others, _part(after, "visual")) == others.keys()
    assert _stopped(method) == ["audio"]


def test_zero_gradient_still_moves_by_momentum_and_decay() -> None:
    method, *_ = _until_stopped(stop="zero_gradient")
    before = snapshot(method.model)
    train(method, tiny_batches(1, seed=30))
    after = snapshot(method.model)
    assert changed(_part(before, "audio"), _part(after, "audio")) == _part(before, "audio").keys()
    weight = method.model.fusion.heads["audio"].weight
    assert torch.equal(weight.grad, torch.zeros_like(weight))


def test_other_modality_sees_the_same_gradient_as_in_joint_training() -> None:
    method, *_ = _until_stopped()
    twin = tiny_model()
    twin.load_state_dict(snapshot(method.model))
    [batch] = tiny_batches(1, seed=40)
    method.step(*batch)
    JointTrain(twin, STILL).step(*batch)
    for p, q in zip(
        method.model.modality_parameters("visual"), twin.modality_parameters("visual"), strict=True
    ):
        assert torch.equal(p.grad, q.grad)


def test_run_ends_when_every_modality_has_stopped() -> None:
    method = MSES(tiny_model(), OPTIM, patience=1)
    rising = [1.0, 2.0, 3.0, 4.0]
    _run(method, rising[:2], rising)
    assert not method.finished
    _run(method, [3.0], [3.0])
    assert method.finished


def test_activity_is_reported() -> None:
    method, *_ = _until_stopped()
    metrics = method.step(*tiny_batches()[0])
    assert (metrics["active_audio"].item(), metrics["active_visual"].item()) == (0.0, 1.0)


@pytest.mark.parametrize("count", [2, 3])
def test_multitask_loss_adds_each_modalitys_own(count: int) -> None:
    [(inputs, labels)] = tiny_batches(1, count)
    model = tiny_model(count)
    features = model.encode(inputs)
    fused = F.cross_entropy(model.fusion(features), labels)
    own = model.fusion.modality_logits(features).values()
    (fused + sum(F.cross_entropy(z, labels) for z in own)).backward()
    method = MSES(tiny_model(count), STILL, loss="multitask")
    assert method.step(inputs, labels)["loss_mm"].item() == pytest.approx(fused.item())
    for p, q in zip(method.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


@options
@pytest.mark.parametrize("stop", [2, 4, 5])
def test_run_resumes_before_and_after_a_stop(options: dict[str, str], stop: int) -> None:
    """The first of `val_metrics`' modalities gets worse from the start, the others better."""

    def build() -> MSES:
        return MSES(tiny_model(), OPTIM, patience=3, **options)

    assert not differences_after_resuming(build, tiny_batches(2), stop, 8)


@options
def test_step_after_a_stop_does_not_wait_for_the_host(options: dict[str, str]) -> None:
    method, *_ = _until_stopped(**options)
    [(inputs, labels)] = tiny_batches()
    with forbidden_host_sync():
        method.step(inputs, labels)


def test_saved_weights_are_copies() -> None:
    method = _run(MSES(tiny_model(), OptimConfig(lr=1.0), patience=FOREVER), [1.0])
    saved = {name: value.clone() for name, value in method.saved["audio"]["weights"].items()}
    train(method, tiny_batches(2))
    assert not changed(saved, dict(method.saved["audio"]["weights"]))


def test_late_fusion_only() -> None:
    assert MSES.unsupported(("audio", "visual", "text"), "late") is None
    assert "early fusion" in (MSES.unsupported(("audio", "visual"), "early") or "")


def test_weights_are_those_of_joint_training_before_anything_stops() -> None:
    model, twin = tiny_model(), tiny_model()
    train(MSES(model, OPTIM), tiny_batches(3))
    train(JointTrain(twin, OPTIM), tiny_batches(3))
    assert not changed(weights(twin), weights(model))


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_a_run_that_ends_before_anything_can_stop_is_too_short(patience: int) -> None:
    """With a loss that never improves, the earliest epoch with a stopped modality is trained."""
    first = patience + 3
    assert MSES.too_short(first, patience=patience) is None
    assert str(first) in (MSES.too_short(first - 1, patience=patience) or "")
    method = _run(MSES(tiny_model(), OptimConfig(), patience=patience), [1.0] * (first - 2))
    assert not method.phase
    assert _run(MSES(tiny_model(), OptimConfig(), patience=patience), [1.0] * (first - 1)).phase
