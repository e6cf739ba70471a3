"""A sweep ends early, or a run in it fails, and nothing is lost."""

import errno
import os
import subprocess
import sys
import time

from baselines.sam import SAM
from benchmarks.cli.execute import Command, execute
from benchmarks.executors.stop import Stop
from benchmarks.exit_status import Exit
from benchmarks.records.files import machine, remove_temporaries
from benchmarks.records.record import RunRecord
from benchmarks.records.status import state
from benchmarks.training.context import RunSettings
from tests.benchmarks.faults.shared import named


def test_a_full_disk_ends_the_sweep_with_nothing_lost(
    session, tiny, folders, lines, monkeypatch, tmp_path
):
    plan, sync, calls = [tiny(epochs=3), tiny(seed=1)], os.fsync, []

    def full_disk(descriptor):
        calls.append(1)
        if len(calls) > 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        assert execute(Command(session, RunSettings("cpu")), plan) == Exit.UNFINISHED
    assert named(lines, "error", "No space left on device")
    assert named(lines, "2 runs left; resume with the same command")
    assert state(plan[0], folders) == "interrupted"
    assert execute(Command(session, RunSettings("cpu")), plan) == 0
    assert named(lines, "resuming after epoch")


def test_an_oserror_of_a_method_is_a_failure_of_that_run_alone(
    executor, tiny, planned, monkeypatch
):
    def broken(self, inputs, labels):
        raise OSError("no such lookup table")

    monkeypatch.setattr(SAM, "step", broken)
    records = executor.execute(planned([tiny(method="sam"), tiny()]))
    assert [r.status for r in records] == ["failed", "done"]


def test_a_sweep_without_time_left_stops_and_goes_on_later(session, tiny, folders, lines):
    plan = [tiny(), tiny(seed=1)]
    status = execute(
        Command(session, RunSettings("cpu"), Stop(deadline=time.monotonic() + 1e-3)), plan
    )
    assert status == Exit.UNFINISHED
    assert named(lines, "--max-hours", "2 runs left; resume with the same command")
    assert execute(Command(session, RunSettings("cpu")), plan) == 0
    assert {RunRecord.load(folders.record(e.run_id)).status for e in plan} == {"done"}


def test_files_half_written_by_killed_processes_are_removed(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    runs = tmp_path / "runs"
    runs.mkdir()
    dead, own, elsewhere, old = (
        runs / f".a.json.{host}.{pid}.tmp"
        for host, pid in (
            (machine(), process.pid),
            (machine(), os.getpid()),
            ("0" * 8, 1),
            ("0" * 8, 2),
        )
    )
    for path in (dead, own, elsewhere, old, runs / ".a.tmp"):
        path.touch()
    os.utime(old, (time.time() - 90_000,) * 2)
    remove_temporaries(tmp_path)
    assert sorted(runs.iterdir()) == sorted([own, elsewhere, runs / ".a.tmp"])
