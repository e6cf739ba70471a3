"""Runs that other processes died on, hold, or have ended."""

import json
import os
from dataclasses import asdict, replace

import pytest

from benchmarks.cli.execute import Command, execute
from benchmarks.executors.local import ATTEMPTS
from benchmarks.exit_status import Exit
from benchmarks.records.leases import Owner
from benchmarks.records.status import state, statuses
from benchmarks.training.context import RunSettings
from tests.benchmarks.faults.shared import named


def lease(folders, what, **changes):
    folders.leases.mkdir(parents=True)
    owner = replace(Owner.this_process(1, ""), **changes)
    (folders.leases / f"{what.run_id}.0.json").write_text(json.dumps(asdict(owner)))


@pytest.mark.parametrize(("deaths", "status"), [(ATTEMPTS - 1, "done"), (ATTEMPTS, "failed")])
def test_a_run_that_kills_its_process_again_and_again_failed(
    deaths, status, executor, tiny, folders, planned
):
    what = tiny()
    lease(folders, what, start="", attempts=deaths)
    assert executor.execute(planned([what]))[0].status == status
    assert list(folders.leases.iterdir()) == []


def test_runs_of_another_sweep_are_left_to_it(session, tiny, folders, lines):
    plan = [tiny(), tiny(seed=1)]
    lease(folders, plan[0])
    assert statuses(plan, folders)[plan[0].run_id].state == "running"
    assert execute(Command(session, RunSettings("cpu")), plan) == Exit.UNFINISHED
    assert named(lines, "under way elsewhere: 1 run:", f"process {os.getpid()}")
    assert [state(e, folders) for e in plan] == ["running", "done"]


def test_a_run_that_another_sweep_ended_since_the_plan_is_not_run(executor, tiny, folders, planned):
    """Not even if it failed there: it is tried once per command."""
    what = tiny()
    before = planned([what])
    record = executor.execute(planned([what]))[0]
    replace(record, status="failed").save(folders.record(what.run_id))
    assert executor.execute(before) == []
    assert len(executor.execute(planned([what]))) == 1
