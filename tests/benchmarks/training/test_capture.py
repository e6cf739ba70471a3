"""Captured steps: when they are recorded again, and that a replay is the step itself."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.joint_train import JointTrain
from baselines.registry import METHODS
from benchmarks.training.capture import CapturedStep, make_step, record_cuda_graph
from benchmarks.training.execution import Execution
from benchmarks.training.host_state import changed_names, host_state
from msam.msam import MSAM
from tests.baselines.cases import every_case
from tests.benchmarks.training.replaying import Recorder
from tests.tiny import (
    OPTIM,
    changed,
    deviation,
    snapshot,
    tiny_batches,
    tiny_model,
    val_metrics,
    weights,
)

CPU = torch.device("cpu")
no_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def epochs(method, step, batches, count, seen=None):
    """Trains `count` epochs and returns what every step reported."""
    reported = []
    for epoch in range(count):
        if method.finished:
            break
        method.generator.manual_seed(epoch)
        torch.manual_seed(epoch)
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


class Counting(JointTrain):
    """Changes what it keeps on the host in every step: `change` says how."""

    def __init__(self, change):
        super().__init__(tiny_model(), OPTIM)
        self.change, self.steps, self.window, self.sums = change, 0, [0.0], {}

    def step(self, inputs, labels):
        self.change(self)
        return super().step(inputs, labels)


def count(method):
    method.steps += 1


def slide(method):
    method.window[0] += 1.0


def replace_tensor(method):
    method.sums["loss"] = torch.zeros(1) + 1


@pytest.mark.parametrize(
    ("change", "named"), [(count, "steps"), (slide, "window"), (replace_tensor, "sums")]
)
def test_a_method_whose_host_state_a_replay_would_freeze_is_refused(change, named):
    step, _ = captured(Counting(change))
    [(inputs, labels)] = tiny_batches()
    step(inputs, labels)
    with pytest.raises(ValueError, match=f"Counting changes {named} on the host.*uncapturable"):
        step(inputs, labels)


class Slotted:
    """Keeps its count in a slot: it has no `__dict__`."""

    __slots__ = ("count",)

    def __init__(self):
        self.count = 0


def count_in_slot(method):
    method.kept.count += 1


def count_in_module(method):
    method.model.fusion_steps = getattr(method.model, "fusion_steps", 0) + 1


def count_in_inner_module(method):
    layer = next(m for m in method.model.modules() if isinstance(m, torch.nn.Linear))
    layer.steps = [*getattr(layer, "steps", []), 1.0]


def count_in_kept_module(method):
    method.kept[0].steps = getattr(method.kept[0], "steps", 0) + 1


HIDDEN = {
    "random.Random": (lambda: random.Random(0), lambda m: m.kept.random()),
    "numpy Generator": (lambda: np.random.default_rng(0), lambda m: m.kept.random()),
    "numpy RandomState": (lambda: np.random.RandomState(0), lambda m: m.kept.rand()),
    "numpy array": (lambda: np.zeros(()), lambda m: m.kept.__iadd__(1)),
    "itertools.count": (itertools.count, lambda m: next(m.kept)),
    "list iterator": (lambda: iter([1.0] * 9), lambda m: next(m.kept)),
    "dict iterator": (lambda: iter(dict.fromkeys(range(9))), lambda m: next(m.kept)),
    "zip": (lambda: zip(range(9), range(9), strict=True), lambda m: next(m.kept)),
    "slots": (Slotted, count_in_slot),
    "module in a list": (lambda: [torch.nn.Identity()], count_in_kept_module),
    "new generator": (int, lambda m: setattr(m, "kept", (x for x in "ab"))),
}


@pytest.mark.parametrize(("make", "change"), HIDDEN.values(), ids=list(HIDDEN))
def test_host_state_that_is_no_plain_attribute_is_seen(make, change):
    method = Counting(lambda m: None)
    method.kept = make()
    before = host_state(method)
    assert changed_names(before, host_state(method)) == []
    change(method)
    assert changed_names(before, host_state(method)) == ["kept"]


@pytest.mark.parametrize("change", [count_in_module, count_in_inner_module])
def test_what_a_step_counts_in_a_module_is_refused_by_its_place(change):
    step, _ = captured(Counting(change))
    [(inputs, labels)] = tiny_batches()
    step(inputs, labels)
    with pytest.raises(ValueError, match=r"Counting changes model\.\S*steps on the host"):
        step(inputs, labels)


def test_what_torch_keeps_in_a_module_is_no_host_state():
    method = Counting(lambda m: None)
    before = host_state(method)
    method.model.eval()
    method.model.register_forward_hook(lambda *_: None)
    method.model.last = torch.zeros(1)
    with torch.no_grad():
        next(method.model.parameters()).add_(1)
    assert changed_names(before, host_state(method)) == []


def test_what_cannot_be_looked_into_counts_by_what_object_it_is():
    def letters():
        yield from "ab"

    class Refusing:
        def __reduce__(self):
            raise RuntimeError("never")

    method = Counting(lambda m: None)
    method.kept = [letters(), Refusing(), method, method.step, Slotted, random]
    before = host_state(method)
    next(method.kept[0])
    method.sum = torch.zeros(1)  # on the device, and no state of the host by way of `method.step`
    assert changed_names(before, host_state(method)) == []
    method.kept[0] = letters()
    assert changed_names(before, host_state(method)) == ["kept"]


def test_host_state_that_was_made_in_the_first_step_is_no_change():
    step, recorder = captured(Counting(lambda m: m.sums.setdefault("first", 1)))
    for inputs, labels in tiny_batches(3):
        step(inputs, labels)
    assert recorder.replays == 2


def test_the_record_says_how_steps_were_executed(experiment, dataset, folders, cpu, quiet):
    from benchmarks.training.run import run

    execution = Execution(capture="auto")
    record = run(experiment(epochs=1), dataset, folders, cpu, quiet, execution)
    assert record.environment["capture"] == "off: needs a CUDA device"


@no_gpu
@every_case
def test_a_cuda_graph_trains_as_the_steps_do(case):
    """Equal to 1e-6 in exact float32, where kernels that add in any order leave no more."""
    torch.backends.cudnn.allow_tf32, before = False, torch.backends.cudnn.allow_tf32
    methods = [case.build(case.model(torch.float32).cuda()) for _ in range(2)]
    step = CapturedStep(methods[1], record_cuda_graph)
    batches = [
        ({m: x.cuda() for m, x in inputs.items()}, labels.cuda())
        for inputs, labels in case.batches(4, torch.float32)
    ]
    for method, run in zip(methods, (methods[0].step, step), strict=True):
        epochs(method, run, batches, 4)
    torch.backends.cudnn.allow_tf32 = before
    largest = max(value.abs().max().item() for value in weights(methods[0].model).values())
    assert deviation(weights(methods[0].model), weights(methods[1].model)) <= 1e-6 * largest
