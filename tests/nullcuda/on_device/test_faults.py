"""Faults of a device, its driver and its memory, injected; and how a run must take them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.bench import bare, memory, scaling, steps
from benchmarks.bench.timing import SMALL, Setting, interleaved
from benchmarks.executors import devices, slurm
from benchmarks.executors.pool import execute_here
from benchmarks.executors.stop import Stop
from benchmarks.records.record import RunRecord
from benchmarks.records.status import Sweep
from benchmarks.studies.sharpness.curvature import SplitLoss
from benchmarks.training.capture import CapturedStep, record_cuda_graph
from benchmarks.training.context import Reporter, RunSettings
from benchmarks.training.environment import describe_environment
from msam.msam import MSAM
from tests.nullcuda.device import ROOT
from tests.nullcuda.on_device.harness import STEPS, nothing, stop_before
from tests.nullcuda.on_device.test_mistakes import MISTAKES, Mistaken, two_steps
from tests.nullcuda.on_device.training import CUDA, cuda_batches
from tests.tiny import OPTIM, tiny_model

TINY = replace(SMALL, batch=8, data="tiny")
BATCHES = 2  # of the bench's epochs here
CORES = 16


def record_of(sweep, experiment) -> RunRecord | None:
    path = sweep.folders.record(experiment.run_id)
    return RunRecord.load(path) if path.exists() else None


# The device breaks


def test_a_broken_device_fails_one_run_only(sweep, cuda, null_device):
    experiments = [sweep.experiment(method=m) for m in ("msam", "sam", "joint_train")]

    def break_in_the_first(step, stop):
        if step == 1:
            null_device.break_down()

    with suppress(RuntimeError, SystemExit):  # the process may end
        sweep.execute(experiments, cuda, break_in_the_first)
    null_device.repair()  # as in another process
    assert record_of(sweep, experiments[0]).status == "failed"
    assert [record_of(sweep, e) for e in experiments[1:]] == [None, None]
    assert [r.status for r in sweep.execute(experiments[1:], cuda)] == ["done", "done"]


def test_the_other_runs_go_on_in_another_process(sweep, null_device, monkeypatch):
    experiments = [sweep.experiment(method=m) for m in ("msam", "joint_train")]

    def step(self, inputs, labels):
        null_device.break_down()
        return {"loss_mm": labels.float().mean()}

    monkeypatch.setattr(MSAM, "step", step)
    planned = Sweep.planned_now(experiments, sweep.folders)
    execute_here(planned, RunSettings(device="cuda"), Stop(), Reporter(sweep.lines.append))
    assert [record_of(sweep, e).status for e in experiments] == ["failed", "done"]
    assert any("another process" in line for line in sweep.lines)


def test_a_broken_device_damages_no_checkpoint(sweep, cuda, null_device, monkeypatch):
    experiment = sweep.experiment()
    sweep.execute([experiment], cuda, stop_before(STEPS + 1))
    plain = nn.Module.load_state_dict

    def load(self, state):
        null_device.break_down()
        return plain(self, state)

    monkeypatch.setattr(nn.Module, "load_state_dict", load)
    with suppress(RuntimeError, SystemExit):
        sweep.execute([experiment], cuda)
    assert [path.name for path in sweep.folders.checkpoint("x").parent.glob("*damaged*")] == []
    assert sweep.folders.checkpoint(experiment.run_id).exists()


# The device is full


def test_a_run_without_room_in_the_allocator_is_tried_again_alone(sweep, cuda, null_device):
    experiment = sweep.experiment()

    def fill(step, stop):
        if step == 1:
            torch.empty(2**40, dtype=torch.uint8, device=cuda)

    assert sweep.execute([experiment], cuda, fill, alone=False) == []
    assert record_of(sweep, experiment) is None


def test_a_run_without_room_for_a_kernel_is_tried_again_alone(sweep, cuda, null_device):
    experiment = sweep.experiment()

    def fill(step, stop):
        if step == 1:
            null_device.fill_up()

    with suppress(RuntimeError, SystemExit):
        sweep.execute([experiment], cuda, fill, alone=False)
    assert record_of(sweep, experiment) is None


def test_a_run_without_room_for_cublas_is_tried_again_alone(sweep, cuda, monkeypatch):
    torch.ones(2, 2, device=cuda) @ torch.ones(2, 2, device=cuda)  # this thread has its handle
    experiment = sweep.experiment()
    monkeypatch.setenv("NULLCUDA_BLAS_FULL", "1")
    thread = threading.Thread(target=sweep.execute, args=([experiment], cuda, nothing, None, False))
    thread.start()
    thread.join()
    assert record_of(sweep, experiment) is None


# Captures


def test_a_failed_capture_names_its_cause():
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
        two_steps(MISTAKES["a mask picks rows"], captured=True)


def test_a_failed_capture_leaves_the_process_usable():
    with pytest.raises(RuntimeError):
        two_steps(MISTAKES["a mask picks rows"], captured=True)
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    F.dropout(torch.ones(4, device=CUDA))


def test_steps_before_a_capture_share_a_stream():
    streams = set()
    for _ in range(3):
        method = Mistaken(tiny_model(dtype=torch.float32).to(CUDA), OPTIM)
        method.mistake = lambda x, y: streams.add(torch.cuda.current_stream())
        CapturedStep(method, record_cuda_graph)(*cuda_batches(1, 2)[0])
    assert len(streams) == 1


# Drivers and devices


def test_a_driver_too_old_for_torch_is_named(sweep):
    sweep.experiment()  # so that its data is there
    words = ["--profile", "demo", "--dataset", "avmnist", "--method", "joint_train"]
    scale = ["--set", "epochs=1", "--set", "train_samples=64", "--out", str(sweep.root)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "run", *words, *scale],
        env={**os.environ, "NULLCUDA_OLD_DRIVER": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "driver" in said and "12.4" in said and torch.version.cuda in said


def test_a_small_network_trains_deterministically(sweep, cuda):
    [record] = sweep.execute([sweep.experiment()], cuda, settings=RunSettings(deterministic=True))
    assert record.status == "done", record.reason


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch) -> Path:
    """A driver's tool that says 140 GB are free; the words of every call lie in the file."""
    calls = tmp_path / "calls"
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "$@" >> {calls}\necho 140000\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(CORES)))
    return calls


def test_the_memory_of_the_visible_card_counts(nvidia_smi, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert devices.job_count("auto", "cuda") == CORES // devices.CORES_PER_CUDA_RUN
    assert "--id=3" in nvidia_smi.read_text()


def test_the_pools_of_a_slurm_job_share_its_cores(nvidia_smi, sweep, monkeypatch):
    asked = []

    class Recorder:
        def __init__(self, settings, stop, say):
            asked.append(settings.jobs)

        def execute(self, sweep):
            pass

    monkeypatch.setattr(slurm, "Pool", Recorder)
    slurm.SlurmJob(Sweep((), sweep.folders, {}), RunSettings(), slurm.Request(gpus=4))()
    assert len(asked) == 4 and sum(asked) <= CORES // devices.CORES_PER_CUDA_RUN


def test_a_run_moves_from_the_cpu_to_a_gpu(sweep, cuda):
    experiment = sweep.experiment()
    sweep.execute([experiment], torch.device("cpu"), stop_before(STEPS + 1))
    [record] = sweep.execute([experiment], cuda)
    assert record.status == "done"
    assert not any("damaged" in line or "it is now" in line for line in sweep.lines)
    assert any("cpu" in line.lower() for line in sweep.lines)


def test_a_record_names_driver_and_libraries():
    found = describe_environment(CUDA)
    assert found["cuda"] == torch.version.cuda
    assert {"driver", "cudnn"} <= found.keys()


def test_short_epochs_do_not_all_write_a_checkpoint(sweep, cuda, monkeypatch):
    written, plain = [], torch.save
    monkeypatch.setattr(torch, "save", lambda *args: (written.append(1), plain(*args)))
    [record] = sweep.execute([sweep.experiment(epochs=5)], cuda)
    assert record.status == "done" and len(written) <= 1


# The bench


@pytest.fixture
def convolutions(monkeypatch) -> set[str]:
    """How the convolutions of the test round: filled as they are called."""
    found, plain = set(), nn.Conv2d.forward

    def forward(self, x):
        found.add("tf32" if torch.backends.cudnn.allow_tf32 else "fp32")
        return plain(self, x)

    monkeypatch.setattr(nn.Conv2d, "forward", forward)
    return found


def test_the_bare_loop_computes_as_runs_do(cuda, convolutions, monkeypatch):
    monkeypatch.setattr(bare, "PAPER", TINY)
    monkeypatch.setattr(bare, "SMALL", TINY)
    bare.bare(Setting(cuda, 1))
    assert convolutions == {"fp32"}


def test_steps_are_timed_in_the_precision_of_runs(cuda, convolutions, monkeypatch):
    few = {name: (name, {}) for name in ("joint_train", "sam", "msam")}
    monkeypatch.setattr(steps, "_titles", lambda *args: few)
    steps.measure(TINY, Setting(cuda, 1))
    assert convolutions == {"fp32"}


def test_sharpness_is_measured_in_one_precision(cuda, convolutions):
    model = TINY.method("joint_train", "late", cuda).model
    loss = SplitLoss(model, bare.stored_split(TINY, BATCHES).to(cuda))
    loss.gradient(list(model.parameters()))
    assert convolutions == {"fp32"}


def test_the_peak_of_a_step_is_its_own(cuda, monkeypatch):
    monkeypatch.setattr(memory, "PAPER", TINY)
    monkeypatch.setattr(memory, "SMALL", TINY)
    alone = memory.memory(Setting(cuda, 1))[0]["peak MiB"]
    others = torch.empty(512 * 2**20, dtype=torch.uint8, device=cuda)
    beside = memory.memory(Setting(cuda, 1))[0]["peak MiB"]
    del others
    assert beside == pytest.approx(alone, abs=1)


def test_a_timing_on_a_gpu_is_of_many_steps(cuda):
    calls = []
    interleaved({"step": lambda: calls.append(1)}, Setting(cuda, 3), warm=True)
    assert len(calls) >= 3 * 10


def one_dies(name, ready, seconds):
    """Stands in for a run side by side: the first to come dies, the others wait for it."""
    marker = Path(os.environ["NULLCUDA_MARKER"])
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        ready.wait(timeout=300)
        seconds.put(1.0)
    else:
        sys.exit(1)


def test_a_dead_run_holds_nobody_up(cuda, monkeypatch, tmp_path):
    monkeypatch.setenv("NULLCUDA_MARKER", str(tmp_path / "marker"))
    monkeypatch.setattr(scaling, "_run_steps", one_dies)
    outcome = []

    def measure():
        with suppress(OSError):
            scaling.rate(2, cuda)
        outcome.append("ended")

    thread = threading.Thread(target=measure, daemon=True)
    thread.start()
    thread.join(timeout=60)
    assert outcome == ["ended"]


# The test suite itself


PLUGIN = """
from pathlib import Path
import pytest, torch

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    Path("{seen}").write_text(str(torch.cuda.is_available()))
"""


def test_a_test_that_is_not_for_a_gpu_sees_none(tmp_path):
    seen = tmp_path / "seen"
    (tmp_path / "look.py").write_text(PLUGIN.format(seen=seen))
    test = ROOT / "tests/benchmarks/cli/test_cli.py"
    words = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-p", "look"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, str(test), "-k", "missing_gpu"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ['PYTHONPATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert seen.read_text() == "False"
