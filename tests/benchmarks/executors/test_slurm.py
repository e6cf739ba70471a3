"""Slurm's executor without Slurm: from words to sbatch's parameters, and what a job does."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time

import pytest

from benchmarks.__main__ import main
from benchmarks.cli.execute import open_command
from benchmarks.cli.verbs import parse
from benchmarks.executors.slurm import Request, SlurmJob, slurm_request, submit_array
from benchmarks.records.leases import Leases
from benchmarks.records.record import RunRecord
from benchmarks.training.context import RunSettings

ONE = Request(runs="1")


def asked(*words):
    return slurm_request(parse(["table1", *words]))


def programs(folder, monkeypatch, sbatch):
    """Puts an sbatch and an srun of our own before all others."""
    for name, text in (("sbatch", sbatch), ("srun", "exit 1")):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.fixture
def job(experiment, planned):
    def make(count=1, request=ONE, **changes):
        sweep = planned(experiment(seed=s, train_samples=64, **changes) for s in range(count))
        return SlurmJob(sweep, RunSettings("cpu"), request)

    return make


def test_the_words_become_a_request():
    assert asked() is None
    assert asked("--executor", "slurm") == Request(1, "auto", 0, 60, None)
    words = "--slurm-jobs 4 --gpus-per-job 2 --jobs-per-gpu 3 --partition gpu --time 04:00:30"
    assert asked("--executor", "slurm", *words.split()) == Request(4, "3", 2, 241, "gpu")


def test_account_memory_and_others_reach_sbatch_under_their_names(job, monkeypatch, tmp_path):
    pytest.importorskip("submitit", reason="submitit is missing: requirements-extra.txt")
    words = "--account lab --qos high --mem 32GB --constraint a100 --slurm-jobs 2"
    more = "--slurm-arg reservation=course --slurm-arg mail-type=FAIL --slurm-arg exclusive=true"
    request = asked("--executor", "slurm", *words.split(), *more.split())
    programs(tmp_path, monkeypatch, f"cp $1 {tmp_path}/script; echo Submitted batch job 7")
    submit_array(job(request=request))
    lines = (tmp_path / "script").read_text().splitlines()
    typed = ("account=lab", "qos=high", "mem=32GB", "constraint=a100", "requeue")
    for option in (*typed, "reservation=course", "mail-type=FAIL", "exclusive"):
        assert f"#SBATCH --{option}" in lines


@pytest.mark.parametrize("name", ["mem", "gpus-per-node", "array", "time", "requeue", "output"])
def test_what_has_an_option_of_its_own_is_not_taken_twice(name):
    with pytest.raises(ValueError, match="is set by"):
        asked("--executor", "slurm", "--slurm-arg", f"{name}=1")


@pytest.mark.parametrize(
    ("profile", "words", "gpus"),
    [
        ("paper", "", 1),
        ("short", "", 1),
        ("demo", "", 0),
        ("pilot", "", 0),
        ("paper", "--gpus-per-job 0", 0),
        ("paper", "--gpus-per-job 4", 4),
        ("paper", "--device cpu", 0),
        ("demo", "--gpus-per-job 1", 1),
    ],
)
def test_a_job_asks_for_a_gpu_if_its_profile_wants_one(profile, words, gpus, tmp_path):
    words = f"table1 --profile {profile} --executor slurm --out {tmp_path} {words}"
    assert open_command(parse(words.split()), lambda text: None).slurm.gpus == gpus


@pytest.mark.parametrize(("text", "minutes"), [("90", 90), ("00:05:00", 5), ("100:00:01", 6001)])
def test_time_is_minutes_or_hours_minutes_seconds(text, minutes):
    assert asked("--executor", "slurm", "--time", text).minutes == minutes


@pytest.mark.parametrize("text", ["4", "", "-5", "1.5", "10:00", "1:60:00", "two hours", "1-0:0:0"])
def test_a_bad_time_is_named(text):
    with pytest.raises(ValueError, match=f"--time is '{text}'; it must be whole minutes or HH"):
        asked("--executor", "slurm", f"--time={text}")


def test_all_mistakes_are_listed():
    words = "--slurm-jobs 0 --gpus-per-job -1 --time x --max-hours 2"
    with pytest.raises(ValueError) as caught:
        asked("--executor", "slurm", *words.split())
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines] == [
        "--slurm-jobs",
        "--gpus-per-job",
        "--time",
        "--max-hours",
    ]
    with pytest.raises(ValueError, match="--device"):
        asked("--executor", "slurm", "--gpus-per-job", "1", "--device", "cpu")


@pytest.mark.parametrize(
    "words",
    ["--partition gpu", "--time 60", "--slurm-jobs 2", "--gpus-per-job 0", "--slurm-arg a=1"],
)
def test_an_option_of_slurm_is_not_ignored_elsewhere(words, capsys):
    assert main(["table1", "--profile", "demo", *words.split()]) == 2
    assert f"error: {words.split()[0]} is for Slurm" in capsys.readouterr().err


def test_cores_go_with_the_runs():
    assert Request(runs="auto", gpus=2).parameters(1)["cpus_per_task"] is None
    assert Request(runs="3").parameters(1)["cpus_per_task"] == 3
    assert Request(runs="3").parameters(2)["cpus_per_task"] == 6
    found = Request(runs="3", gpus=2).parameters(1)
    assert (found["cpus_per_task"], found["gpus_per_node"]) == (12, 2)
    assert "--cpus-per-task=12" in found["srun_args"]


def test_every_gpu_of_a_job_has_its_own_runs(job):
    executions = job(request=Request(runs="3", gpus=2))._settings_per_device()
    assert [(e.device, e.jobs) for e in executions] == [("cuda:0", 3), ("cuda:1", 3)]
    assert [(e.device, e.jobs) for e in job(request=Request(runs="2"))._settings_per_device()] == [
        ("cpu", 2)
    ]


def test_a_machine_without_slurm_is_named(job, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="no sbatch and srun here"):
        submit_array(job())


def test_missing_submitit_says_what_to_install(job, monkeypatch, tmp_path):
    programs(tmp_path, monkeypatch, "echo Submitted batch job 7")
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ValueError, match=r"pip install -r requirements-extra.txt"):
        submit_array(job())


def test_the_jobs_are_one_array(job, monkeypatch, tmp_path):
    pytest.importorskip("submitit", reason="submitit is missing: requirements-extra.txt")
    programs(tmp_path, monkeypatch, f"cp $1 {tmp_path}/script; echo Submitted batch job 7")
    assert submit_array(job(request=Request(3, "2", 1, 90, "gpu"))) == "7"
    script = (tmp_path / "script").read_text()
    for line in ("array=0-2%3", "time=90", "partition=gpu", "gpus-per-node=1", "cpus-per-task=4"):
        assert f"#SBATCH --{line}\n" in script
    assert "#SBATCH --requeue\n" in script and "--signal=USR2@90" in script


def test_a_refusal_is_one_line_of_sbatch(job, monkeypatch, tmp_path, capsys):
    pytest.importorskip("submitit", reason="submitit is missing: requirements-extra.txt")
    refusal = "echo 'sbatch: error: no such account' >&2; echo 'sbatch: error: bye' >&2; exit 1"
    programs(tmp_path, monkeypatch, refusal)
    with pytest.raises(ValueError, match=r"^sbatch refused: no such account; bye$"):
        submit_array(job())
    assert not capsys.readouterr().err


def test_a_job_does_the_plan(job, folders):
    work = job(count=2, request=Request(runs="2"))
    assert work() == 0
    for each in work.sweep.experiments:
        assert RunRecord.load(folders.record(each.run_id)).status == "done"


def test_a_job_leaves_alone_what_ended_meanwhile(job, folders):
    work = job(count=2)
    done = folders.record(work.sweep.experiments[0].run_id)
    done.parent.mkdir(parents=True)
    done.write_text("by another job")
    assert work() == 0
    assert done.read_text() == "by another job"


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_only_the_end_of_its_time_queues_a_job_again(number, job, folders):
    """Both stop it after a step, with a checkpoint."""
    work, again = job(epochs=500), []
    run_id = work.sweep.experiments[0].run_id

    def strike():
        while not folders.checkpoint(run_id).exists():
            time.sleep(0.05)
        os.kill(os.getpid(), number)
        worker = Leases(folders.leases).owner(run_id)
        os.kill(worker.pid, number)  # as Slurm does; the pool then passes on what it got

    thread = threading.Thread(target=strike)
    before = signal.signal(signal.SIGUSR2, lambda number, frame: again.append(number))
    try:
        thread.start()
        with pytest.raises(RuntimeError, match=rf"stopped \({number.name}\) with 1 run left"):
            work()
    finally:
        signal.signal(signal.SIGUSR2, before)
        thread.join()
    assert again == [signal.SIGUSR2] * (number == signal.SIGUSR2)
    assert folders.checkpoint(run_id).exists()
    assert not list(folders.leases.iterdir()), (
        "its process was killed and did not release its lease"
    )


def test_the_command_line_submits_and_returns(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: name)
    found = []

    def submitted(job):
        found.append(job)
        return "7"

    monkeypatch.setattr("benchmarks.cli.execute.submit_array", submitted)
    words = ["--profile", "demo", "--methods", "msam", "--seeds", "2", "--out", str(tmp_path)]
    words += ["--datasets", "avmnist", "--executor", "slurm", "--slurm-jobs", "3"]
    assert main(["all", *words]) == 0
    said = capsys.readouterr().out
    assert "submitted as Slurm job 7" in said and "scancel 7" in said
    assert {e.fusion for job in found for e in job.sweep.experiments} == {"late", "early"}
    assert not list(tmp_path.rglob("*.json")) and not (tmp_path / "tables").exists()
    assert main(["all", *words, "--dry-run"]) == 0
    assert len(found) == 2, "a dry run submits nothing"
