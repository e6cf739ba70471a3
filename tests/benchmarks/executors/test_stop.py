"""Stopping after any step: the run goes on from there as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from baselines.registry import METHODS, build_method
from benchmarks.executors.stop import Stop
from benchmarks.training.checkpoint import load_checkpoint, save_checkpoint
from benchmarks.training.context import Reporter, Stopped
from benchmarks.training.epoch import train_epoch
from benchmarks.training.run import run
from benchmarks.training.state import Training
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sources import Source
from tests.baselines.cases import model_for
from tests.benchmarks.training.test_run import without_timing
from tests.tiny import MODALITIES, OPTIM, changed, snapshot, tiny_batches, val_metrics

ROOT = Path(__file__).parents[3]
STEPS = 6


class Plain(Source):
    """Samples as they are; augmentation adds noise."""

    def __init__(self, values):
        self.values, self.shape = values, tuple(values.shape[1:])
        self.distinct_count, self.distinct_index = len(values), torch.arange(len(values))

    def gather_distinct(self, rows):
        return self.values[rows]

    def augmented(self, index, generator):
        noise = torch.randn(len(index), *self.shape, generator=generator)
        return self.gather(index) + 0.1 * noise

    def to(self, device):
        return self

    def subset(self, index):
        return Plain(self.values[index])


@pytest.fixture
def split():
    batches = tiny_batches(STEPS, dtype=torch.float32)
    inputs = {m: Plain(torch.cat([b[0][m] for b in batches])) for m in MODALITIES[:2]}
    return SplitTensors(inputs, torch.cat([b[1] for b in batches]))


def stopping_after(step):
    asked = []

    def stop():
        asked.append(1)
        return len(asked) == step

    return Reporter(lambda text: None, lambda batches, title: batches, stop)


def training_of(name, fusion):
    dropout = 0.3 if fusion == "early" else 0
    model = model_for(name, 2, fusion, dropout=dropout, dtype=torch.float32)
    method = build_method(name, model, OPTIM)
    return Training(method, method.step, "off")


@pytest.mark.parametrize("fusion", ["late", "early"])
@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_goes_on_exactly_within_an_epoch(name, fusion, split, experiment, tmp_path):
    if why := METHODS[name].unsupported(MODALITIES[:2], fusion):
        pytest.skip(why)
    what = experiment(method=name, fusion=fusion, batch_size=8)
    alone, stopped, resumed = (training_of(name, fusion) for _ in range(3))
    never = stopping_after(0)
    expected = [train_one(alone, split, what, epoch, never) for epoch in (1, 2, 3)]
    train_one(stopped, split, what, 1, never)
    with pytest.raises(Stopped, match=f"step 3 of {STEPS}"):
        train_epoch(stopped, split, what, 2, stopping_after(3))
    save_checkpoint(tmp_path / "c.pt", stopped.state_dict())
    torch.rand(5)
    resumed.load_state_dict(load_checkpoint(tmp_path / "c.pt"))
    assert [train_one(resumed, split, what, epoch, never) for epoch in (2, 3)] == expected[1:]
    states = [snapshot(t.method.model) for t in (alone, resumed)]
    assert not changed(*states)


def train_one(training, split, what, epoch, reporter):
    means = train_epoch(training, split, what, epoch, reporter)
    training.method.end_epoch(val_metrics(MODALITIES[:2], epoch))
    training.partial = {}
    return means


@pytest.mark.parametrize("step", [1, 4, 6])
def test_a_stopped_run_resumes_within_its_epoch(
    step, experiment, dataset, folders, context, elsewhere
):
    """After the first step of an epoch, in the middle, and after the last."""
    what = experiment(method="msam", fusion="early", epochs=2, train_samples=192)
    alone = run(what, dataset, elsewhere)
    with pytest.raises(Stopped, match=f"epoch {1 + step // 4}, step {(step - 1) % 3 + 1} of 3"):
        run(what, dataset, replace(context, reporter=stopping_after(step)))
    lines = []
    resumed = run(what, dataset, replace(context, reporter=Reporter(lines.append)))
    assert f"resuming after epoch {step // 4} and" in lines[0]
    assert without_timing(resumed) == without_timing(alone)
    assert resumed.predictions_sha256 == alone.predictions_sha256
    assert not list(folders.checkpoint(what.run_id).parent.iterdir())


def test_a_stop_comes_before_the_deadline_by_what_took_longest(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    stop = Stop(deadline=200.0)
    for seconds in (1, 30, 1, 1):
        now[0] += seconds
        assert not stop.wanted()
    now[0] = 169.0
    assert stop.wanted(), "the wait itself was the longest so far"
    assert "--max-hours" in stop.reason
    stop = Stop(deadline=300.0)
    now[0] += 30
    assert not stop.wanted()
    now[0] = 271.0
    assert stop.wanted()


def test_a_stop_follows_its_parent():
    assert not Stop(parent=os.getppid()).wanted()
    assert Stop(parent=1 if os.getppid() != 1 else 2).wanted()


LISTENER = """
import os, sys, time
from benchmarks.executors.stop import Stop
stop = Stop(parent=os.getppid() if "child" in sys.argv else None)
with stop.listening():
    print("ready", flush=True)
    while not stop.wanted():
        time.sleep(0.01)
    reason, stop.reason = stop.reason, ""
    print(reason, flush=True)
    while not stop.wanted():
        time.sleep(0.01)
    print("again", flush=True)
"""


def listener(*words):
    """A process of its own that listens: a second signal may end it."""
    call = [sys.executable, "-c", LISTENER, *words]
    process = subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_and_the_second_ends(first, second):
    process = listener()
    process.send_signal(first)
    assert process.stdout.readline() == f"{first.name}\n"
    process.send_signal(second)
    assert process.stdout.read() == ""
    assert process.wait(timeout=20) == -second


def test_a_second_signal_ends_nothing_that_has_a_parent():
    """Slurm sends one to all processes, and the parent passes on its own; it knows the reason."""
    process = listener("child")
    process.send_signal(signal.SIGUSR2)
    assert process.stdout.readline() == "asked to stop\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "again\n"
    assert process.wait(timeout=20) == 0


def test_after_listening_signals_are_as_before():
    before = signal.getsignal(signal.SIGTERM)
    with Stop().listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
