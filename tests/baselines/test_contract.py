"""What every registered method keeps to, whatever it does. A new file in `baselines/` is tried
here by itself; `-k name` runs one method's share."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from baselines.registry import METHODS, build_method
from msam.method import Method
from tests.baselines.cases import Case, every_case, model_for, train_epochs
from tests.tiny import (
    MODALITIES,
    OPTIM,
    STILL,
    Batch,
    changed,
    deviation,
    snapshot,
    tiny_batches,
    tiny_model,
    train,
    weights,
)

STOPS = (1, 2, 5)
EPOCHS = 14  # past the learning rate's decay, and enough for methods that wait for a trend


@every_case
def test_neutral_setting_is_joint_training(case: Case) -> None:
    """Bit for bit, over epochs, so that a method adds nothing but its idea."""
    neutral = METHODS[case.method].neutral
    if neutral is None:
        pytest.skip(f"{case.method} has no setting that makes it Joint-Train")
    model, twin = case.model(), case.model()
    train_epochs(case.build(model, **neutral), case.batches(3), 0, 3)
    train_epochs(build_method("joint_train", twin, OPTIM), case.batches(3), 0, 3)
    assert not changed(snapshot(twin), snapshot(model))


@every_case
def test_default_setting_is_not_joint_training(case: Case) -> None:
    if case.method == "joint_train":
        pytest.skip("it is Joint-Train")
    model = case.model()
    train_epochs(case.build(model), case.batches(2), 0, EPOCHS)
    twin = model_for(case.method, case.count, case.fusion)
    train_epochs(build_method("joint_train", twin, OPTIM), case.batches(2), 0, EPOCHS)
    assert deviation(weights(twin), weights(model)) > 1e-9


@every_case
def test_step_gives_the_training_modes_back(case: Case) -> None:
    model = case.model()
    method = case.build(model)  # it may put another fusion in place of the model's
    model.encoders["audio"].eval()
    before = {name: child.training for name, child in model.named_modules()}
    train(method, case.batches(1))
    assert {name: child.training for name, child in model.named_modules()} == before


def _watched(modules: Mapping[str, nn.Module]) -> set[str]:
    """Collects from now on the names of the modules that are called in training mode."""
    called: set[str] = set()

    def note(module: nn.Module, name: str) -> None:
        if module.training:
            called.add(name)

    for name, module in modules.items():
        module.register_forward_pre_hook(lambda module, _, name=name: note(module, name))
    return called


@every_case
def test_batchnorm_records_the_first_pass_once(case: Case) -> None:
    """Its statistics are those that Joint-Train's first step leaves, or untouched in a part of
    the model that the method does not train in this phase."""
    model, twin = case.model(), case.model()
    before = snapshot(model)
    layers = {n: m for n, m in model.named_modules() if getattr(m, "track_running_stats", False)}
    called = _watched(layers)
    train(case.build(model), case.batches(1))
    train(build_method("joint_train", twin, OPTIM), case.batches(1))
    assert called
    expected, found = snapshot(twin), snapshot(model)
    for name in layers:
        source = expected if name in called else before
        for buffer in ("running_mean", "running_var", "num_batches_tracked"):
            key = f"{name}.{buffer}"
            torch.testing.assert_close(found[key], source[key], rtol=1e-12, atol=1e-12)


@every_case
def test_only_the_optimiser_moves_the_weights(case: Case) -> None:
    """With learning rate and weight decay zero nothing is left of any perturbation."""
    model = case.model(torch.float32)
    method = case.build(model, STILL)  # it may put one head in place of several
    before = weights(model)
    train_epochs(method, case.batches(3, torch.float32), 0, 1)
    assert not changed(before, weights(model))


@every_case
def test_step_leaves_the_global_random_state_alone(case: Case) -> None:
    """The order of batches and the dropout masks must not depend on the method."""
    method = case.build(case.model())
    before = torch.get_rng_state()
    train(method, case.batches(2))
    assert torch.equal(torch.get_rng_state(), before)


@every_case
def test_same_start_gives_the_same_weights(case: Case) -> None:
    found = []
    for _ in range(2):
        model = case.model()
        torch.manual_seed(3)
        train_epochs(case.build(model), case.batches(2), 0, 3)
        found.append(snapshot(model))
    assert not changed(*found)


@every_case
def test_step_leaves_its_batch_alone(case: Case) -> None:
    [(inputs, labels)] = case.batches(1)
    copies = {m: x.clone() for m, x in inputs.items()} | {"labels": labels.clone()}
    case.build(case.model()).step(inputs, labels)
    assert not changed(copies, inputs | {"labels": labels})


@every_case
def test_step_reports_detached_scalars(case: Case) -> None:
    method = case.build(case.model())
    for inputs, labels in case.batches(2):
        metrics = method.step(inputs, labels)
        assert {"loss_mm", "acc_mm"} <= metrics.keys()
        for name, value in metrics.items():
            assert value.ndim == 0 and value.is_floating_point(), name
            assert not value.requires_grad and value.grad_fn is None, name
            assert torch.isfinite(value), name


@every_case
def test_step_reports_the_fused_loss_and_accuracy_before_the_update(case: Case) -> None:
    [(inputs, labels)] = case.batches(1)
    twin, model = case.model(), case.model()
    case.build(twin)  # a method may put another fusion in place of the model's
    logits = twin(inputs)
    called = _watched(model.encoders)
    metrics = case.build(model).step(inputs, labels)
    if called != set(model.modalities):
        pytest.skip(f"{case.method} trains a part of the model at a time")
    expected = F.cross_entropy(logits, labels).item()
    assert metrics["loss_mm"].item() == pytest.approx(expected, rel=1e-9)
    right = (logits.argmax(1) == labels).double().mean().item()
    assert metrics["acc_mm"].item() == pytest.approx(right, abs=1e-6)


@every_case
def test_reported_numbers_are_the_same_ones_every_step(case: Case) -> None:
    """The epoch's means need the same keys from every batch of an epoch."""
    method = case.build(case.model())
    keys = [list(method.step(*batch)) for batch in case.batches(3)]
    assert keys[0] == keys[1] == keys[2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@every_case
def test_weights_stay_finite_in_their_own_precision(case: Case, dtype: torch.dtype) -> None:
    model = case.model(dtype)
    train_epochs(case.build(model), case.batches(2, dtype), 0, 3)
    for name, value in weights(model).items():
        assert value.dtype == dtype, name
        assert torch.isfinite(value).all(), name


def _checkpoint(method: Method) -> dict[str, Any]:
    """What a checkpoint holds, through a file that may contain plain data only."""
    state = {
        "model": method.model.state_dict(),
        "method": method.state_dict(),
        "finished": method.finished,
        "random": torch.get_rng_state(),
    }
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def _resume(case: Case, state: dict[str, Any]) -> Method:
    model = case.model()
    model.load_state_dict(state["model"])
    method = case.build(model)
    method.load_state_dict(state["method"])
    torch.set_rng_state(state["random"])
    return method


@lru_cache(1)  # tests of a case follow each other
def _undisturbed(case: Case) -> tuple[Method, dict[int, dict[str, Any]]]:
    """A method after its last epoch, and its checkpoints after those in STOPS."""
    batches, states = case.batches(2), {}
    method = case.build(case.model())
    for first, last in pairwise((0, *STOPS, EPOCHS)):
        train_epochs(method, batches, first, last)
        states[last] = _checkpoint(method)
    return method, states


@pytest.mark.parametrize("stop", STOPS)
@every_case
def test_resumed_run_equals_an_undisturbed_one(case: Case, stop: int) -> None:
    """After any epoch, the one in which the learning rate decays and the one before included."""
    method, states = _undisturbed(case)
    resumed = _resume(case, states[stop])
    assert resumed.finished == states[stop]["finished"]
    train_epochs(resumed, case.batches(2), stop, EPOCHS)
    assert not changed(snapshot(method.model), snapshot(resumed.model))
    assert (resumed.epoch, resumed.finished) == (method.epoch, method.finished)


@every_case
def test_run_resumed_within_an_epoch_equals_an_undisturbed_one(case: Case) -> None:
    batches = case.batches(4)
    method = case.build(case.model())
    train_epochs(method, batches, 0, 2)
    train(method, batches[:2])
    state = _checkpoint(method)
    runs = [method, _resume(case, state)]
    for run in runs:
        torch.set_rng_state(state["random"])
        _finish_epoch(run, batches[2:])
    assert not changed(snapshot(runs[0].model), snapshot(runs[1].model))


def _finish_epoch(method: Method, batches: list[Batch]) -> None:
    train(method, batches)
    train_epochs(method, [], 2, 3)
    train_epochs(method, batches, 3, 4)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_reason_for_not_supporting_a_setting_is_a_sentence(name: str) -> None:
    for fusion in ("late", "early"):
        for count in (1, 2, 3):
            reason = METHODS[name].unsupported(MODALITIES[:count], fusion)
            assert reason is None or (isinstance(reason, str) and len(reason.split()) >= 3)


def test_joint_training_supports_one_modality_alone() -> None:
    """The Single rows of the tables."""
    model = tiny_model(1)
    before = weights(model)
    train(build_method("joint_train", model, OPTIM), tiny_batches(1, 1))
    assert changed(before, weights(model)) == before.keys()
