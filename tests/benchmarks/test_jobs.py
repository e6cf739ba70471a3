"""Runs side by side: processes share the work, die, and are told to stop."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import jobs
from benchmarks.__main__ import main
from benchmarks.executors.local import LocalExecutor
from benchmarks.folders import Folders
from benchmarks.jobs import job_count, thread_count
from benchmarks.signals import EXIT_UNFINISHED
from tests.faults.proofs import leftovers, processes, results
from tests.faults.tiny_sweep import tiny_experiments

ROOT = Path(__file__).parents[2]


def sweep(folder, data_dir, *words):
    call = [sys.executable, "-m", "tests.faults.tiny_sweep", str(folder), *words]
    environment = os.environ | {"MSAM_DATA_DIR": str(data_dir)}
    return subprocess.Popen(call, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def test_killed_and_stopped_processes_change_no_record(tmp_path, data_dir, cpu, quiet):
    """A worker is killed, then the sweep is asked to stop, and the same command ends it."""
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    LocalExecutor(Folders(alone), cpu, quiet).execute(tiny_experiments(3, epochs=4))
    words = ["--runs", "3", "--epochs", "4"]
    first = sweep(shared, data_dir, *words, "--jobs", "2")
    said = read_until(first, "epoch 1/")
    worker = processes(first.pid)[1]
    os.kill(worker, signal.SIGKILL)
    said += read_until(first, f"process {worker} died (SIGKILL)")
    first.send_signal(signal.SIGTERM)
    said += first.stdout.readlines()
    assert first.wait() == EXIT_UNFINISHED
    assert "stopped (SIGTERM)" in said[-1] and "resume with the same command" in said[-1]
    second = sweep(shared, data_dir, *words)
    assert second.wait() == 0
    assert results(shared) == results(alone)
    assert not leftovers(shared)


def read_until(process, words):
    lines = []
    while not lines or words not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], f"'{words}' was never said: {lines[:-1]}"
    return lines


@pytest.mark.parametrize(
    ("cores", "free_gib", "jobs_there"), [(1, 64, 1), (2, 64, 2), (64, 64, 8), (8, 7, 3), (8, 0, 1)]
)
def test_auto_is_one_run_per_core_that_memory_allows(monkeypatch, cores, free_gib, jobs_there):
    monkeypatch.setattr(jobs, "core_count", lambda: cores)
    monkeypatch.setattr(jobs, "_free_bytes", lambda: free_gib * 2**30)
    assert job_count("auto", "cpu") == jobs_there
    assert thread_count(jobs_there) == max(1, cores // jobs_there)


@pytest.mark.parametrize(
    ("cores", "free_gib", "jobs_there"), [(16, 139, 8), (16, 40, 3), (4, 139, 2), (16, 8, 1)]
)
def test_auto_on_a_gpu_goes_by_its_free_memory(monkeypatch, cores, free_gib, jobs_there):
    monkeypatch.setattr(jobs, "core_count", lambda: cores)
    monkeypatch.setattr(jobs, "_free_cuda_bytes", lambda device: free_gib * 2**30)
    assert job_count("auto", "cuda") == jobs_there


def test_free_memory_is_measured():
    assert jobs._free_bytes() > 2**20


def test_a_tool_that_cannot_tell_the_free_memory_means_one_run(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert job_count("auto", "cuda:1") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--jobs", "0"], "--jobs is '0'; it must be auto or a whole number from 1 on"),
        (["--jobs", "two"], "--jobs is 'two'"),
        (["--max-hours", "-1"], "--max-hours is -1; it must be more than 0"),
    ],
)
def test_wrong_options_are_named(capsys, words, told):
    assert main(["table1", "--profile", "demo", *words]) == 2
    assert told in capsys.readouterr().err
