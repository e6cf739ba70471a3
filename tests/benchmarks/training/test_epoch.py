"""What an epoch gives a method before its first step: a share of the features, and how many steps
there will be."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from baselines.joint_train import JointTrain
from benchmarks.plan.experiment import derive_seed
from benchmarks.training.checkpoint import load_checkpoint, save_checkpoint
from benchmarks.training.context import Stopped
from benchmarks.training.epoch import surveyed_batches, train_epoch
from benchmarks.training.numerics import computing_in
from benchmarks.training.state import Training
from datasets.tensors.dataset import SplitTensors
from msam.model import evaluating
from tests.benchmarks.executors.test_stop import Plain, stopping_after, train_one
from tests.tiny import MODALITIES, OPTIM, changed, snapshot, tiny_batches, tiny_model

STEPS, SIZE = 6, 8
NEVER = stopping_after(0)


class Surveying(JointTrain):
    """Keeps what it was shown, and pulls the heads' biases by the mean of it."""

    def __init__(self, share=0.5):
        super().__init__(tiny_model(2, "early", dropout=0.3, dtype=torch.float32), OPTIM)
        self.survey, self.events, self.pull = share, [], torch.zeros(())

    def observe(self, features, labels):
        assert not torch.is_grad_enabled()
        modes = {module.training for module in self.model.modules()}
        self.events.append((features, labels, modes, self.steps_per_epoch))
        self.pull.copy_(features["audio"].mean() + torch.rand((), generator=self.generator))

    def step(self, inputs, labels):
        assert self.model.training
        self.events.append("step")
        metrics = super().step(inputs, labels)
        with torch.no_grad():
            next(self.model.parameters()).mul_(1 - 0.01 * self.pull)
        return metrics

    def state_dict(self):
        return {**super().state_dict(), "pull": self.pull}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.pull.copy_(state["pull"])

    @property
    def shown(self):
        return [event for event in self.events if event != "step"]


def training_of(method):
    return Training(method, method.step, "off")


@pytest.fixture
def split():
    """Six batches and five more rows, which fill no batch."""
    batches = tiny_batches(STEPS + 1, dtype=torch.float32)
    rows = torch.arange(STEPS * SIZE + 5)
    inputs = {m: Plain(torch.cat([b[0][m] for b in batches])[rows]) for m in MODALITIES[:2]}
    return SplitTensors(inputs, torch.cat([b[1] for b in batches])[rows])


@pytest.fixture
def what(experiment):
    return experiment(batch_size=SIZE, fusion="early")


@pytest.mark.parametrize(
    ("share", "steps", "batches"),
    [(0.1, 24, 2), (0.1, 9, 1), (1.0, 7, 7), (0.1, 30, 3), (0.5, 1, 1)],
)
def test_a_survey_takes_whole_batches_and_one_at_least(share, steps, batches):
    assert surveyed_batches(share, steps) == batches


def test_a_method_sees_its_share_before_the_first_step(split, what):
    method = Surveying()
    before = snapshot(method.model)
    rows = torch.Generator().manual_seed(derive_seed(what.seed, "survey", 1))
    index = torch.randperm(len(split), generator=rows)[: STEPS // 2 * SIZE]
    inputs, expected = split.batch(index)
    with evaluating(method.model), torch.no_grad():
        encoded = method.model.encode(inputs)
    train_epoch(training_of(method), split, what, 1, NEVER)
    (features, labels, modes, steps), *rest = method.events
    assert rest == ["step"] * STEPS
    assert torch.equal(labels, expected)
    for m, phi in features.items():  # without augmentation, which Plain has
        torch.testing.assert_close(phi, encoded[m])
        assert not phi.requires_grad
    assert modes == {False} and steps == STEPS
    assert before.keys() == snapshot(method.model).keys()


def test_every_epoch_shows_other_rows_and_every_run_the_same(split, what):
    labels = []
    for _ in range(2):
        method = Surveying()
        training = training_of(method)
        for epoch in (1, 2):
            train_one(training, split, what, epoch, NEVER)
        labels.append([seen for _, seen, _, _ in method.shown])
    (first, second), again = labels
    assert not torch.equal(first, second)
    assert torch.equal(first, again[0]) and torch.equal(second, again[1])


def test_a_survey_changes_neither_batches_nor_dropout(split, what):
    """Nor BatchNorm: an observer that does nothing trains as Joint-Train does."""

    class Idle(Surveying):
        def observe(self, features, labels):
            self.events.append(labels)

    states = []
    for method in (Idle(1.0), Idle(0.0)):
        for epoch in (1, 2):
            train_one(training_of(method), split, what, epoch, NEVER)
        states.append(snapshot(method.model))
        assert len(method.shown) == 2 * bool(method.survey)
    assert not changed(*states)


def test_a_survey_computes_in_the_precision_of_the_run(split, what):
    method, twin = Surveying(1.0), Surveying()
    lowered = replace(what, precision="bf16")
    train_epoch(training_of(method), split, lowered, 1, NEVER)
    rows = torch.Generator().manual_seed(derive_seed(what.seed, "survey", 1))
    index = torch.randperm(len(split), generator=rows)[: STEPS * SIZE]
    with computing_in(twin.model, "bf16"), evaluating(twin.model), torch.no_grad():
        expected = twin.model.encode(split.batch(index)[0])
    [(features, *_)] = method.shown
    for m, phi in features.items():
        assert phi.dtype == torch.float32
        torch.testing.assert_close(phi, expected[m], rtol=0.01, atol=1e-3)
        exact = twin.model.eval().encode(split.batch(index)[0])[m]
        assert not torch.allclose(phi, exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("step", [0, 1, 3, STEPS])
def test_a_run_with_a_survey_goes_on_exactly(step, split, what, tmp_path):
    """Stopped in its second epoch: at its start, after its first step, in its middle, at its end.
    The second epoch's survey is taken once."""
    alone, stopped, resumed = (training_of(Surveying()) for _ in range(3))
    expected = [train_one(alone, split, what, epoch, NEVER) for epoch in (1, 2, 3)]
    train_one(stopped, split, what, 1, NEVER)
    if step:
        with pytest.raises(Stopped, match=f"step {step} of {STEPS}"):
            train_epoch(stopped, split, what, 2, stopping_after(step))
    save_checkpoint(tmp_path / "c.pt", stopped.state_dict())
    torch.rand(5)
    resumed.load_state_dict(load_checkpoint(tmp_path / "c.pt"))
    assert [train_one(resumed, split, what, epoch, NEVER) for epoch in (2, 3)] == expected[1:]
    assert not changed(*(snapshot(t.method.model) for t in (alone, resumed)))
    assert len(stopped.method.shown) + len(resumed.method.shown) == 3
    assert resumed.method.steps_per_epoch == STEPS
