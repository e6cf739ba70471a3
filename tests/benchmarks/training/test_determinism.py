"""The same experiment gives the same bits; `--deterministic` refuses what might not."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch

from baselines.registry import METHODS
from benchmarks.cli.execute import asked_settings
from benchmarks.cli.verbs import parse
from benchmarks.executors.attempt import Attempt
from benchmarks.executors.pool import Pool, execute_here
from benchmarks.executors.stop import Stop
from benchmarks.plan import measurements
from benchmarks.records.folders import Folders
from benchmarks.records.record import load_records
from benchmarks.records.status import Sweep
from benchmarks.training.context import Reporter, RunSettings
from benchmarks.training.numerics import deterministic
from benchmarks.training.run import run


def without_timing(record):
    return {k: v for k, v in asdict(record).items() if k != "timing"}


@pytest.mark.parametrize("name", ["joint_train", "msam", "ogm_ge"])
def test_the_same_experiment_gives_the_same_record_on_a_cpu(
    name, experiment, dataset, context, elsewhere
):
    what = experiment(method=name, train_samples=128)
    first, again = (run(what, dataset, place) for place in (context, elsewhere))
    assert without_timing(first) == without_timing(again)
    assert first.predictions_sha256
    other = run(replace(what, seed=1), dataset, context)
    assert other.history != first.history


@pytest.mark.parametrize("verb", ["run", "table1", "table2", "all"])
def test_every_verb_that_trains_has_the_option(verb):
    words = ["--dataset", "avmnist", "--method", "msam"] if verb == "run" else []
    for wanted in (True, False):
        asked = asked_settings(parse([verb, *words] + ["--deterministic"] * wanted))
        assert asked.deterministic == wanted


@pytest.mark.parametrize(
    ("passed", "words", "capture"),
    [
        (True, [], "auto"),
        (False, [], "off"),
        (True, ["--capture", "off"], "off"),
        (False, ["--capture", "auto"], "auto"),
    ],
)
def test_steps_are_replayed_by_default_where_the_tests_of_the_gpu_passed(
    passed, words, capture, monkeypatch
):
    monkeypatch.setattr(measurements, "gpu_tests_passed", lambda: passed)
    assert asked_settings(parse(["table1", "--jobs", "1", *words])).capture == capture


@pytest.mark.parametrize("wanted", [True, False])
def test_the_record_says_whether_it_was_on(wanted, experiment, context):
    settings = RunSettings("cpu", deterministic=wanted)
    what = experiment(epochs=1, train_samples=64)
    record = Attempt(replace(context, settings=settings), alone=True).run(what)
    assert (record.status, record.environment["deterministic"]) == ("done", wanted)
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_option_reaches_worker_processes(experiment, folders, planned):
    sweep = planned(experiment(seed=seed, epochs=1, train_samples=64) for seed in (0, 1))
    said = []
    Pool(RunSettings("cpu", 2, deterministic=True), Stop(), said.append).execute(sweep)
    records, _ = load_records(folders.root / "runs")
    assert [r.environment["deterministic"] for r in records] == [True, True], said


def test_it_changes_no_number_on_a_cpu(experiment, dataset, context, elsewhere):
    what = experiment(train_samples=128)
    free = run(what, dataset, context)
    with deterministic(True):
        bound = run(what, dataset, elsewhere)
    assert (free.history, free.predictions_sha256) == (bound.history, bound.predictions_sha256)


def test_side_by_side_and_alone_give_the_same_bits(experiment, tmp_path, monkeypatch):
    """The threads of a run are part of its plan, whatever `--jobs` and the environment say."""
    plan = [experiment(seed=s, epochs=1, train_samples=128, threads=s + 1) for s in (0, 1)]
    found = {}
    for jobs in (1, 2):
        monkeypatch.setenv("OMP_NUM_THREADS", str(3 - jobs))
        folders, said = Folders(tmp_path / str(jobs)), []
        sweep = Sweep.planned_now(plan, folders)
        execute_here(sweep, RunSettings("cpu", jobs), Stop(), Reporter(said.append))
        found[jobs], _ = load_records(folders.root / "runs")
        assert [r.environment["threads"] for r in found[jobs]] == [1, 2], said
    assert torch.get_num_threads() == 1, "the number of this process is as before"
    for one, other in zip(found[1], found[2], strict=True):
        assert without_timing(one) == without_timing(other)


def put_twice(tensor):
    """An operation whose result depends on which of two values comes last."""
    return tensor.put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))


def test_an_operation_left_to_chance_is_refused_and_the_state_comes_back():
    flags = torch.backends.cudnn.deterministic
    with deterministic(True):
        assert torch.backends.cudnn.deterministic
        with pytest.raises(RuntimeError, match="deterministic"):
            put_twice(torch.zeros(2))
    assert torch.backends.cudnn.deterministic == flags
    put_twice(torch.zeros(2))
    with deterministic(False):
        put_twice(torch.zeros(2))


def test_a_run_with_such_an_operation_failed_and_says_so(experiment, context, monkeypatch):
    cls, plain = METHODS["joint_train"], METHODS["joint_train"].step
    monkeypatch.setattr(cls, "step", lambda s, *a: (put_twice(torch.zeros(2)), plain(s, *a))[1])
    settings = RunSettings("cpu", deterministic=True)
    record = Attempt(replace(context, settings=settings), alone=True).run(experiment(epochs=1))
    assert record.status == "failed"
    assert "deterministic" in record.reason
