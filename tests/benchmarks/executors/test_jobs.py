"""Runs side by side: processes share the work, die, and are told to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.executors import devices, pool
from benchmarks.executors.devices import job_count
from benchmarks.executors.local import LocalExecutor
from benchmarks.executors.pool import Pool
from benchmarks.executors.stop import EXIT_BROKEN_DEVICE, Stop
from benchmarks.exit_status import Exit
from benchmarks.records.folders import Folders
from benchmarks.records.status import Sweep
from benchmarks.training.context import RunSettings
from tests.faults.proofs import leftovers, processes, results
from tests.faults.tiny_sweep import tiny_experiments

ROOT = Path(__file__).parents[3]


def sweep(folder, data_dir, *words):
    call = [sys.executable, "-m", "tests.faults.tiny_sweep", str(folder), *words]
    environment = os.environ | {"MSAM_DATA_DIR": str(data_dir)}
    return subprocess.Popen(call, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def test_killed_and_stopped_processes_change_no_record(tmp_path, data_dir, context):
    """A worker is killed, then the sweep is asked to stop, and the same command ends it."""
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    folders = Folders(alone)
    planned = Sweep.planned_now(tiny_experiments(3, epochs=4), folders)
    executor = LocalExecutor(replace(context, folders=folders), Stop(), alone=True)
    executor.execute(planned)
    words = ["--runs", "3", "--epochs", "4"]
    first = sweep(shared, data_dir, *words, "--jobs", "2")
    said = read_until(first, "epoch 1/")
    worker = processes(first.pid)[1]
    os.kill(worker, signal.SIGKILL)
    said += read_until(first, f"process {worker} died (SIGKILL)")
    first.send_signal(signal.SIGTERM)
    said += first.stdout.readlines()
    assert first.wait() == Exit.UNFINISHED
    assert "stopped (SIGTERM)" in said[-1] and "resume with the same command" in said[-1]
    second = sweep(shared, data_dir, *words)
    assert second.wait() == 0
    assert results(shared) == results(alone)
    assert not leftovers(shared)


def test_whoever_stops_a_sweep_reads_what_they_did(tmp_path, data_dir):
    """Its processes are told by another signal, which is nobody's business."""
    process = sweep(tmp_path / "out", data_dir, "--runs", "4", "--epochs", "200", "--jobs", "2")
    read_until(process, "epoch 1/")
    process.send_signal(signal.SIGINT)
    said = process.stdout.readlines()
    assert process.wait() == Exit.UNFINISHED
    assert "stopped (SIGINT): 4 runs left" in said[-1]
    stopped = [line for line in said if "stopped in epoch" in line]
    assert stopped and all(line.endswith(": asked to stop\n") for line in stopped)
    assert not any("SIGTERM" in line for line in said)


@pytest.fixture
def doomed(folders, monkeypatch):
    """A pool of `jobs` processes on three runs, which all die before they did anything.

    `helpful` numbers those that end a run first. Returns the numbers of processes that were started
    side by side and alone, and what was said.
    """

    def work(jobs, helpful=(), status=1):
        said, started = [], []

        def start(self, order, threads):
            started.append(json.loads(order)["alone"])
            assert len(started) < 50, "it never gives up"
            if len(started) in helpful:
                done = folders.record(plans[helpful.index(len(started))].run_id)
                done.parent.mkdir(parents=True, exist_ok=True)
                done.touch()
            process = subprocess.Popen(["sh", "-c", f"exit {status}"])
            process.wait()
            relay = threading.Thread()
            relay.start()
            return pool._Worker(process, relay)

        plans = tiny_experiments(3)
        monkeypatch.setattr(pool, "_POLL_SECONDS", 0)
        monkeypatch.setattr(Pool, "_start", start)
        sweep = Sweep.planned_now(plans, folders)
        Pool(RunSettings("cpu", jobs), Stop(), said.append).execute(sweep)
        return started.count(False), started.count(True), said

    return work


@pytest.mark.parametrize(("jobs", "started"), [(2, 2 + 5), (3, 3 + 8)])
def test_processes_that_die_at_once_are_given_up_also_side_by_side(jobs, started, doomed):
    """Three per job; the last death of them starts none. Then one after the other, three."""
    beside, alone, said = doomed(jobs)
    assert (beside, alone) == (started, 3)
    assert len(said) == beside + alone
    assert all("died (exit status 1)" in line for line in said)


def test_a_run_that_ended_renews_the_patience(doomed):
    """The sixth of two ends one: from the death of the fifth on it takes six more."""
    assert doomed(2, helpful=[6])[:2] == (12, 3)
    assert doomed(2, helpful=[1, 2, 6])[1] == 0, "nothing is left to do alone"


def test_a_process_whose_device_broke_is_replaced(doomed):
    """As one that died: its run is recorded, and the others need another process."""
    beside, alone, said = doomed(2, helpful=[1, 2, 3], status=EXIT_BROKEN_DEVICE)
    assert (beside, alone) == (3, 0)
    assert sum("broke; another takes its place" in line for line in said) == 3


def read_until(process, words):
    lines = []
    while not lines or words not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], f"'{words}' was never said: {lines[:-1]}"
    return lines


@pytest.mark.parametrize(
    ("cores", "free_gib", "threads", "jobs_there"),
    [
        *((1, 64, 1, 1), (2, 64, 1, 2), (64, 64, 1, 8), (8, 7, 1, 3), (8, 0, 1, 1)),
        *((8, 64, 2, 4), (8, 64, 3, 2), (2, 64, 4, 1)),
    ],
)
def test_auto_is_one_run_per_core_that_memory_allows(
    monkeypatch, cores, free_gib, threads, jobs_there
):
    monkeypatch.setattr(devices, "core_count", lambda: cores)
    monkeypatch.setattr(devices, "_free_bytes", lambda: free_gib * 2**30)
    assert job_count("auto", "cpu", threads) == jobs_there


@pytest.mark.parametrize(
    ("cores", "free_gib", "shared", "jobs_there"),
    [
        *((16, 139, {}, 8), (16, 40, {}, 3), (4, 139, {}, 2), (16, 8, {}, 1)),
        *((16, 139, {"devices": 4}, 2), (16, 139, {"threads": 4}, 4)),
    ],
)
def test_auto_on_a_gpu_goes_by_its_free_memory(monkeypatch, cores, free_gib, shared, jobs_there):
    monkeypatch.setattr(devices, "core_count", lambda: cores)
    monkeypatch.setattr(devices, "_free_cuda_bytes", lambda device: free_gib * 2**30)
    assert job_count("auto", "cuda", **shared) == jobs_there


@pytest.mark.parametrize(("best", "jobs_there"), [(None, 8), (4, 4), (32, 8)])
def test_auto_on_a_gpu_is_not_more_than_was_measured_best(monkeypatch, best, jobs_there):
    monkeypatch.setattr(devices, "core_count", lambda: 64)
    monkeypatch.setattr(devices, "_free_cuda_bytes", lambda device: 139 * 2**30)
    monkeypatch.setattr(devices, "best_packing", lambda: best)
    assert job_count("auto", "cuda") == jobs_there


def test_free_memory_is_measured():
    assert devices._free_bytes() > 2**20


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
