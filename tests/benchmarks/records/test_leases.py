"""Claims: one process per run, dead ones give way, and no clock is believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from benchmarks.records import leases
from benchmarks.records.files import machine, process_start
from benchmarks.records.leases import SILENCE_SECONDS, ClaimLost, Claims, Owner

RUN = "avmnist-late-sam-s0-0123456789"


@pytest.fixture
def claims(tmp_path):
    return Claims(tmp_path / "claims")


@pytest.fixture
def dead():
    """The process id and start of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = process_start(process.pid)
    process.kill()
    process.wait()
    return process.pid, start


def leave(claims, generation=0, **changes):
    """Writes a claim of some other process."""
    claims.folder.mkdir(exist_ok=True)
    path = claims.folder / f"{RUN}.{generation}.json"
    owner = replace(Owner.this_process(1, ""), **changes)
    path.write_text(json.dumps(asdict(owner)))
    return path


def test_a_run_is_held_once_and_free_again_after_release(claims):
    held = claims.take(RUN, "")
    assert claims.take(RUN, "") is None
    assert Claims(claims.folder).pulse(RUN) == "alive"
    assert claims.owner(RUN).pid == os.getpid()
    held.release()
    assert claims.pulse(RUN) == "free"
    assert list(claims.folder.iterdir()) == []
    claims.take(RUN, "").release()


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("taken_over", [True, False])
def test_of_many_that_try_at_once_one_gets_the_run(claims, monkeypatch, links, taken_over):
    """Also where there are no hard links, and if all take over from the same dead process."""
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    if taken_over:
        leave(claims, start="")
    tries = [Claims(claims.folder) for _ in range(8)]
    found = [each._last(RUN) for each in tries]
    for each, last in zip(tries, found, strict=True):  # all have looked before one acts
        monkeypatch.setattr(each, "_last", lambda run_id, last=last: last)
    assert sum(each.take(RUN, "") is not None for each in tries) == 1


def refuse(source, target):
    raise PermissionError("Operation not permitted")


def test_the_run_of_a_dead_process_is_taken_over(claims, dead):
    pid, start = dead
    leave(claims, pid=pid, start=start)
    taken = claims.take(RUN, "")
    assert taken.owner.attempts == 2
    taken.release()
    assert list(claims.folder.iterdir()) == []


def test_a_later_process_with_the_same_id_is_not_the_owner(claims):
    leave(claims, pid=os.getpid(), start="1")
    assert claims.pulse(RUN) == "dead"


def test_attempts_count_only_without_a_checkpoint_in_between(claims, dead):
    pid, start = dead
    leave(claims, pid=pid, start=start, attempts=2, progress="epoch 1")
    assert claims.take(RUN, "epoch 1", limit=2) is None
    assert claims.take(RUN, "epoch 2", limit=2).owner.attempts == 1


def test_a_claim_left_behind_says_how_often_it_was_tried(claims):
    claims.take(RUN, "").leave(2)
    assert claims.take(RUN, "", limit=2) is None
    assert claims.take(RUN, "").owner.attempts == 3


@pytest.mark.parametrize("pace", [1, -1])
@pytest.mark.parametrize("offset", [-(10**6), 0, 10**6])
def test_another_machine_is_alive_while_its_file_changes_whatever_its_clock(
    claims, monkeypatch, offset, pace
):
    """Far in the past, far in the future, or going backwards."""
    path = leave(claims, machine="another")
    now = [0.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])

    def beat():
        os.utime(path, (10**9 + offset + pace * now[0],) * 2)

    beat()
    assert claims.pulse(RUN) == "unknown"
    for _ in range(20):
        now[0] += SILENCE_SECONDS - 1
        beat()
        assert claims.pulse(RUN) == "alive"
        assert claims.take(RUN, "") is None
    now[0] += SILENCE_SECONDS + 1
    assert claims.pulse(RUN) == "dead"
    assert claims.take(RUN, "").owner.machine == machine()


def test_a_claim_given_back_between_look_and_grasp_is_not_taken_over(claims, monkeypatch, dead):
    """Its run may be done by now: the look was at the past."""
    pid, start = dead
    path = leave(claims, pid=pid, start=start)
    create = leases._create

    def late(new, owner):
        path.unlink()
        return create(new, owner)

    monkeypatch.setattr(leases, "_create", late)
    assert claims.take(RUN, "") is None
    assert list(claims.folder.iterdir()) == []


def test_a_claim_beats_and_notices_that_it_was_taken_over(claims, monkeypatch):
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.01)
    held = claims.take(RUN, "")
    os.utime(held.path, (0, 0))
    wait_for(lambda: held.path.stat().st_mtime > 0)
    held.confirm()
    leave(claims, generation=1)
    wait_for(lambda: held.lost)
    with pytest.raises(ClaimLost, match="taken over"):
        held.confirm()
    held.release()
    assert claims.owner(RUN), "the other one's claim stays"


def wait_for(condition):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_claim_emptied_by_a_crash_of_the_machine_is_nobodys(claims):
    leave(claims).write_text("")
    assert claims.pulse(RUN) == "dead"
    assert claims.take(RUN, "") is not None


def test_a_copy_of_a_claim_is_nobodys(claims):
    """As file managers and synchronised folders make them."""
    held = claims.take(RUN, "")
    (claims.folder / f"{RUN}.0 (copy).json").write_text(held.path.read_text())
    assert claims.pulse(RUN) == "alive" and claims.take(RUN, "") is None
    held.release()
    assert claims.pulse(RUN) == "free"
    claims.take(RUN, "").release()


def test_a_killed_process_is_dead_before_its_parent_has_asked_after_it():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert process_start(process.pid)
    process.kill()
    wait_for(lambda: not process_start(process.pid))
    process.wait()
