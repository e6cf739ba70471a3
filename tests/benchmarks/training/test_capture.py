"""Captured steps: when they are recorded again, and that a replay is the step itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from baselines.registry import METHODS
from benchmarks.training.capture import CapturedStep, make_step, record_cuda_graph
from benchmarks.training.context import RunSettings
from benchmarks.training.numerics import deterministic, rounding_to_tf32
from msam.msam import MSAM
from tests.baselines.cases import begin_epoch, every_case
from tests.benchmarks.training.replaying import Recorder
from tests.tiny import (
    OPTIM,
    changed,
    snapshot,
    tiny_batches,
    tiny_model,
    val_metrics,
    weights,
)

CPU = torch.device("cpu")


def epochs(method, step, batches, count, seen=None):
    """Trains `count` epochs and returns what every step reported."""
    reported = []
    for epoch in range(count):
        if method.finished:
            break
        method.generator.manual_seed(epoch)
        torch.manual_seed(epoch)
        begin_epoch(method, batches)
        reported += [step(inputs, labels) for inputs, labels in batches]
        method.end_epoch(val_metrics(method.model.modalities, epoch))
    return reported


def captured(method):
    recorder = Recorder()
    return CapturedStep(method, recorder), recorder


@every_case
def test_replays_train_as_the_steps_do_bit_for_bit(case):
    """Over phases and a decay of the learning rate; the method's own draws included."""
    eager, twin = case.build(case.model()), case.build(case.model())
    step, recorder = captured(twin)
    batches = case.batches(3)
    expected = epochs(eager, eager.step, batches, 3)
    reported = epochs(twin, step, batches, 3)
    assert recorder.replays >= 4
    assert not changed(snapshot(eager.model), snapshot(twin.model))
    assert len(expected) == len(reported)
    for one, other in zip(expected, reported, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


STEADY = replace(OPTIM, decay_epochs=100)  # no decay hides a phase that is missed


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("agm", {"modulation_epochs": 1, "after_window": "off"}),
        ("agm", {"modulation_epochs": 1, "after_window": "frozen"}),
        ("ogm_ge", {"modulation_ends": 0}),
        ("mses", {"patience": 1}),
        ("mses", {"patience": 1, "restore": "model", "stop": "zero_gradient"}),
        ("mslr", {"window": 1}),
        ("pmr", {"modulation_starts": 1, "modulation_ends": 2}),
        ("pmr", {"prototypes": "running"}),
        ("reconboost", {"boosting_epochs": 1, "rectification_epochs": 2}),
    ],
    ids=str,
)
def test_a_new_phase_is_recorded_anew(name, params):
    methods = [METHODS[name](tiny_model(), STEADY, **params) for _ in range(2)]
    step, recorder = captured(methods[1])
    for method, run in zip(methods, (methods[0].step, step), strict=True):
        epochs(method, run, tiny_batches(3), 5)
    assert recorder.recordings > 1
    assert not changed(snapshot(methods[0].model), snapshot(methods[1].model))


def test_dropout_draws_as_in_eager_steps():
    models = [tiny_model(fusion="early", dropout=0.5) for _ in range(2)]
    methods = [METHODS["sam"](model, OPTIM) for model in models]
    step, _ = captured(methods[1])
    for method, run in zip(methods, (methods[0].step, step), strict=True):
        epochs(method, run, tiny_batches(4), 2)
    assert not changed(snapshot(models[0]), snapshot(models[1]))


def test_a_step_is_recorded_once_per_learning_rate():
    method = METHODS["msam"](tiny_model(), OPTIM)  # decays every two epochs
    step, recorder = captured(method)
    epochs(method, step, tiny_batches(5), 4)
    assert (recorder.recordings, recorder.replays) == (2, 2 * (10 - 1))


def test_another_batch_size_is_recorded_anew():
    method = METHODS["joint_train"](tiny_model(), OPTIM)
    step, recorder = captured(method)
    [(inputs, labels)] = tiny_batches()
    for size in (8, 8, 8, 4, 4, 8):
        step({m: x[:size] for m, x in inputs.items()}, labels[:size])
    assert (recorder.recordings, recorder.replays) == (2, 3)


def test_what_was_reported_survives_the_next_replay():
    method = METHODS["joint_train"](tiny_model(), OPTIM)
    step, _ = captured(method)
    reports = [step(inputs, labels)["loss_mm"] for inputs, labels in tiny_batches(4)]
    assert len({float(loss) for loss in reports}) == 4


def test_a_momentum_that_was_cleared_is_noticed():
    method = METHODS["joint_train"](tiny_model(), OPTIM)
    step, recorder = captured(method)
    batches = tiny_batches(2)
    for inputs, labels in batches:
        step(inputs, labels)
    method.optimizer.state.clear()
    for inputs, labels in batches:
        step(inputs, labels)
    assert (recorder.recordings, recorder.replays) == (2, 2)


@pytest.mark.parametrize(
    ("capture", "params", "said"),
    [("auto", {}, "needs a CUDA device"), ("off", {}, "off"), ("auto", {"refresh": 2}, "CUDA")],
)
def test_a_cpu_runs_the_step_itself_and_says_why(capture, params, said):
    method = MSAM(tiny_model(), OPTIM, **params)
    step, how = make_step(method, CPU, capture)
    assert step == method.step
    assert how.startswith("off") and said in how


def test_a_method_says_why_it_cannot_be_captured():
    method = MSAM(tiny_model(), OPTIM, refresh=2)
    step, how = make_step(method, torch.device("cuda"), "auto")
    assert step == method.step and "refresh" in how
    step, how = make_step(MSAM(tiny_model(), OPTIM), torch.device("cuda"), "auto")
    assert isinstance(step, CapturedStep) and how == "CUDA graph"
    _, how = make_step(MSAM(tiny_model(), OPTIM), torch.device("cuda"), "auto", fixed_shapes=False)
    assert how == "off: batches differ in length"


def test_the_record_says_how_steps_were_executed(experiment, dataset, context):
    from benchmarks.training.run import run

    settings = RunSettings(capture="auto")
    record = run(experiment(epochs=1), dataset, replace(context, settings=settings))
    assert record.environment["capture"] == "off: needs a CUDA device"


@pytest.mark.gpu
@every_case
def test_a_cuda_graph_trains_as_the_steps_do(case):
    """Bit for bit, where no kernel adds in any order."""
    methods = [case.build(case.model(torch.float32).cuda()) for _ in range(2)]
    step = CapturedStep(methods[1], record_cuda_graph)
    batches = [
        ({m: x.cuda() for m, x in inputs.items()}, labels.cuda())
        for inputs, labels in case.batches(4, torch.float32)
    ]
    with deterministic(True), rounding_to_tf32(False):
        for method, run in zip(methods, (methods[0].step, step), strict=True):
            epochs(method, run, batches, 4)
    assert not changed(weights(methods[0].model), weights(methods[1].model))
