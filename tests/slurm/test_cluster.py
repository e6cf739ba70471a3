"""Against a real Slurm cluster of one node: whatever happens to jobs, every run is there once."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from benchmarks.executors.slurm import Request
from benchmarks.records.folders import Folders
from benchmarks.records.leases import Leases
from benchmarks.records.record import RunRecord
from datasets import registry
from tests.faults.proofs import leftovers, results
from tests.faults.tiny_sweep import tiny_experiments
from tests.slurm.cluster import cluster, host, missing, node_state, slurm
from tests.slurm.sweep import submit_tiny, train_here

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "Slurm is here")
pytest.importorskip("submitit", reason="submitit is missing: requirements-extra.txt")
PATIENCE_SECONDS = 180  # a busy machine is no failure


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    registry.generate_stand_in("avmnist", data / "stand-in" / "avmnist")
    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found | {"MSAM_DATA_DIR": str(data)}


@pytest.fixture
def folders(environment, monkeypatch, tmp_path):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Folders(tmp_path / "results")


def queue(environment, form="%i"):
    return slurm(environment, "squeue", "--noheader", "--array", f"--format={form}").splitlines()


def until(ready, what):
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := ready()):
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.1)
    return found


def until_all_jobs_ended(environment):
    """Without the two minutes that Slurm lets a job rest before it starts again.

    They are there for what is left of the job on its node, so this waits for its end instead.
    """

    spool = Path(environment["SLURM_CONF"]).parent / "spool"

    def over():
        for job, why in zip(queue(environment), queue(environment, "%r"), strict=False):
            if why == "BeginTime" and not list(spool.glob(f"{host()}_*")):
                slurm(environment, "scontrol", "update", f"JobId={job}", "StartTime=now")
        return not queue(environment)

    until(over, "no job is left")


def records(folders):
    return list((folders.root / "runs").glob("*.json"))


def living(folders, experiments):
    """The processes that work on a run now."""
    leases = Leases(folders.leases)
    alive = [e.run_id for e in experiments if leases.state(e.run_id) == "alive"]
    return [owner.pid for run_id in alive if (owner := leases.owner(run_id))]


def logs(folders):
    return "\n".join(path.read_text() for path in (folders.root / "slurm").rglob("*.out"))


def test_every_run_is_there_once_whatever_happens_to_the_jobs(environment, folders, tmp_path):
    planned, said = tiny_experiments(24, epochs=6), []
    request = Request(jobs=2, runs="2")
    assert submit_tiny(folders, planned, request, said.append) == 24
    number = re.search(r"Slurm job (\d+)", said[0]).group(1)
    until(lambda: len(records(folders)) >= 2, "two runs are done")
    slurm(environment, "scancel", f"{number}_0")
    until(lambda: f"{number}_0" not in queue(environment), "the job is cancelled")
    os.kill(until(lambda: living(folders, planned), "a run is under way")[0], signal.SIGKILL)
    until(lambda: "died (SIGKILL)" in logs(folders), "the death is noticed")
    before = len(records(folders))
    until(lambda: len(records(folders)) > before, "the job goes on")
    node = f"NodeName={host()}"
    slurm(environment, "scontrol", "update", node, "State=DOWN", "Reason=test")
    until(lambda: queue(environment, "%T") == ["PENDING"], "the job waits for the node")
    left = 24 - len(records(folders))
    assert left, "the node went down too late for this test"
    slurm(environment, "scontrol", "update", node, "State=RESUME")
    until(lambda: "DOWN" not in node_state(environment), "the node is up")
    until_all_jobs_ended(environment)
    while submit_tiny(folders, planned, request, said.append):
        assert len(said) <= 3, "the same command does not come to an end"
        until_all_jobs_ended(environment)
    assert {RunRecord.load(path).status for path in records(folders)} == {"done"}
    assert {path.stem for path in records(folders)} == {e.run_id for e in planned}
    assert not leftovers(folders.root)
    train_here(planned, Folders(tmp_path / "alone"))
    assert results(folders.root) == results(tmp_path / "alone")


def test_a_job_whose_time_is_up_goes_on_from_the_very_step(environment, folders, tmp_path):
    planned, said = tiny_experiments(1, epochs=60), []
    submit_tiny(folders, planned, Request(runs="1"), said.append)
    until(lambda: "epoch 5/60" in logs(folders), "the fifth epoch is over")
    slurm(environment, "scancel", "--signal=USR2", queue(environment)[0])  # as Slurm does it
    until(lambda: queue(environment, "%T") == ["PENDING"], "it is in the queue again")
    until(lambda: "stopped in epoch" in logs(folders), "the log is written")
    assert not records(folders)
    until_all_jobs_ended(environment)
    assert len(re.findall(r"resuming after epoch \d+", logs(folders))) == 1
    until(lambda: "0 runs left" in logs(folders), "the log is written")
    train_here(planned, Folders(tmp_path / "alone"))
    assert results(folders.root) == results(tmp_path / "alone")


def test_a_cancelled_job_is_not_queued_again(environment, folders):
    planned, said = tiny_experiments(1, epochs=400), []
    submit_tiny(folders, planned, Request(runs="1"), said.append)
    until(lambda: "epoch 3/400" in logs(folders), "the third epoch is over")
    slurm(environment, "scancel", *queue(environment))
    until(lambda: not queue(environment), "it is gone")
    until(lambda: not living(folders, planned), "none of its processes lives")
    assert not records(folders)


def test_an_unknown_partition_is_reported_in_the_words_of_sbatch(environment, folders):
    wanted = Request(partition="nowhere")
    with pytest.raises(ValueError, match=r"sbatch refused: .*invalid partition specified: nowhere"):
        submit_tiny(folders, tiny_experiments(1), wanted, print)
    assert not queue(environment)


def test_a_job_gets_the_cores_of_its_runs(environment, folders):
    said = []
    submit_tiny(folders, tiny_experiments(1, epochs=400), Request(runs="3"), said.append)
    shown = slurm(environment, "scontrol", "show", "job")
    assert "NumCPUs=3" in shown
    slurm(environment, "scancel", *queue(environment))
    until(lambda: not queue(environment), "it is gone")
