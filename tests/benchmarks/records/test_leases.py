"""Leases: one process per run, dead ones give way, and no clock is believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from benchmarks.records import leases as module
from benchmarks.records.files import machine, process_start
from benchmarks.records.leases import EXPIRY_SECONDS, LeaseLost, Leases, Owner

RUN = "avmnist-late-sam-s0-0123456789"


@pytest.fixture
def leases(tmp_path):
    return Leases(tmp_path / "leases")


@pytest.fixture
def dead():
    """The process id and start of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = process_start(process.pid)
    process.kill()
    process.wait()
    return process.pid, start


def leave(leases, generation=0, **changes):
    """Writes a lease of some other process."""
    leases.folder.mkdir(exist_ok=True)
    path = leases.folder / f"{RUN}.{generation}.json"
    owner = replace(Owner.this_process(1, ""), **changes)
    path.write_text(json.dumps(asdict(owner)))
    return path


def test_a_run_is_held_once_and_free_again_after_release(leases):
    held = leases.take(RUN, "")
    assert leases.take(RUN, "") is None
    assert Leases(leases.folder).state(RUN) == "alive"
    assert leases.owner(RUN).pid == os.getpid()
    held.release()
    assert leases.state(RUN) == "free"
    assert list(leases.folder.iterdir()) == []
    leases.take(RUN, "").release()


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("taken_over", [True, False])
def test_of_many_that_try_at_once_one_gets_the_run(leases, monkeypatch, links, taken_over):
    """Also where there are no hard links, and if all take over from the same dead process."""
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    if taken_over:
        leave(leases, start="")
    tries = [Leases(leases.folder) for _ in range(8)]
    found = [each._last(RUN) for each in tries]
    for each, last in zip(tries, found, strict=True):  # all have looked before one acts
        monkeypatch.setattr(each, "_last", lambda run_id, last=last: last)
    assert sum(each.take(RUN, "") is not None for each in tries) == 1


def refuse(source, target):
    raise PermissionError("Operation not permitted")


def test_the_run_of_a_dead_process_is_taken_over(leases, dead):
    pid, start = dead
    leave(leases, pid=pid, start=start)
    taken = leases.take(RUN, "")
    assert taken.owner.attempts == 2
    taken.release()
    assert list(leases.folder.iterdir()) == []


def test_a_later_process_with_the_same_id_is_not_the_owner(leases):
    leave(leases, pid=os.getpid(), start="1")
    assert leases.state(RUN) == "dead"


def test_attempts_count_only_without_a_checkpoint_in_between(leases, dead):
    pid, start = dead
    leave(leases, pid=pid, start=start, attempts=2, progress="epoch 1")
    assert leases.take(RUN, "epoch 1", limit=2) is None
    assert leases.take(RUN, "epoch 2", limit=2).owner.attempts == 1


def test_an_abandoned_lease_says_how_often_the_run_was_tried(leases):
    leases.take(RUN, "").abandon(2)
    assert leases.take(RUN, "", limit=2) is None
    assert leases.take(RUN, "").owner.attempts == 3


@pytest.mark.parametrize("pace", [1, -1])
@pytest.mark.parametrize("offset", [-(10**6), 0, 10**6])
def test_another_machine_is_alive_while_its_file_changes_whatever_its_clock(
    leases, monkeypatch, offset, pace
):
    """Far in the past, far in the future, or going backwards."""
    path = leave(leases, machine="another")
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def beat():
        os.utime(path, (10**9 + offset + pace * now[0],) * 2)

    beat()
    assert leases.state(RUN) == "unknown"
    for _ in range(20):
        now[0] += EXPIRY_SECONDS - 1
        beat()
        assert leases.state(RUN) == "alive"
        assert leases.take(RUN, "") is None
    now[0] += EXPIRY_SECONDS + 1
    assert leases.state(RUN) == "dead"
    assert leases.take(RUN, "").owner.machine == machine()


def test_a_lease_released_just_before_it_is_taken_over_is_left_alone(leases, monkeypatch, dead):
    """Its run may be done by now."""
    pid, start = dead
    path = leave(leases, pid=pid, start=start)
    create = module._create

    def late(new, owner):
        path.unlink()
        return create(new, owner)

    monkeypatch.setattr(module, "_create", late)
    assert leases.take(RUN, "") is None
    assert list(leases.folder.iterdir()) == []


def test_a_lease_is_renewed_and_notices_that_it_was_taken_over(leases, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)
    held = leases.take(RUN, "")
    os.utime(held.path, (0, 0))
    wait_for(lambda: held.path.stat().st_mtime > 0)
    held.check()
    leave(leases, generation=1)
    wait_for(lambda: held.lost)
    with pytest.raises(LeaseLost, match="taken over"):
        held.check()
    held.release()
    assert leases.owner(RUN), "the other process keeps its lease"


def wait_for(condition):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_lease_emptied_by_a_crash_of_the_machine_is_dead(leases):
    leave(leases).write_text("")
    assert leases.state(RUN) == "dead"
    assert leases.take(RUN, "") is not None


def test_a_copy_of_a_lease_does_not_count(leases):
    """As file managers and synchronised folders make them."""
    held = leases.take(RUN, "")
    (leases.folder / f"{RUN}.0 (copy).json").write_text(held.path.read_text())
    assert leases.state(RUN) == "alive" and leases.take(RUN, "") is None
    held.release()
    assert leases.state(RUN) == "free"
    leases.take(RUN, "").release()


def test_a_killed_process_is_dead_before_its_parent_has_asked_after_it():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert process_start(process.pid)
    process.kill()
    wait_for(lambda: not process_start(process.pid))
    process.wait()
