"""How far a sweep is: counts, the time left, the current run, the log, and the bar."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from benchmarks.executors.progress import Monitor, as_line, relay, time_words
from benchmarks.training.context import Reporter


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def runs(experiment):
    """Two methods, two seeds each, ten epochs."""
    return [experiment(method=m, seed=s, epochs=10) for m in ("sam", "msam") for s in range(2)]


@pytest.fixture
def watched(runs, planned):
    """A monitor with its clock and what it said."""
    clock, said = Clock(), []
    return Monitor(planned(runs), said.append, clock=clock), clock, said


def epochs(monitor: Monitor, clock: Clock, run, seconds: float, last: int = 10) -> None:
    """A run from its begin, an epoch every so many seconds."""
    monitor.progress(run.run_id, 0, "begun")
    for number in range(1, last + 1):
        clock.now += seconds
        monitor.progress(run.run_id, number, f"epoch {number}")


def end(folders, run) -> None:
    """Writes something where the record lies."""
    path = folders.record(run.run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a record")


def test_it_counts_runs_and_names_the_current_one(watched, runs, folders) -> None:
    monitor, clock, _ = watched
    assert monitor.text() == "0/4 done, time left not known yet"
    epochs(monitor, clock, runs[0], 60)
    end(folders, runs[0])
    epochs(monitor, clock, runs[1], 60, 5)
    # 5 epochs of this run and 20 of another method, which are taken to be as long
    assert monitor.text() == "1/4 done, 25 min left, now: sam on avmnist, seed 1"
    epochs(monitor, clock, runs[2], 180, 1)
    # 5 epochs of sam, 19 of msam
    assert monitor.text().startswith("1/4 done, 1 h 2 min left, now: msam on avmnist, seed 0")


def test_runs_side_by_side_share_the_time(watched, runs) -> None:
    monitor, clock, _ = watched
    for run in runs:
        monitor.progress(run.run_id, 0, "begun")
    for number in range(1, 6):
        clock.now += 60
        for run in runs:
            monitor.progress(run.run_id, number, "epoch")
    assert "0/4 done, 5 min left" in monitor.text() and "and 3 more" in monitor.text()


def test_a_run_that_goes_on_from_a_checkpoint_counts_its_new_epochs_alone(watched, runs) -> None:
    monitor, clock, _ = watched
    monitor.progress(runs[0].run_id, 0, "begun")
    clock.now += 60
    monitor.progress(runs[0].run_id, 9, "epoch 9")
    assert "31 min left" in monitor.text()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "not known"),
        (0.0, "less than a minute"),
        (59.0, "less than a minute"),
        (61.0, "2 min"),
        (3600.0, "1 h 0 min"),
        (100_000.0, "27 h 47 min"),
    ],
)
def test_while_there_is_work_some_time_is_left(seconds: float | None, words: str) -> None:
    assert words in time_words(seconds)
    assert " 0 min" not in time_words(seconds).replace(" h 0 min", "")


def test_lines_grow_rarer(watched, runs) -> None:
    monitor, clock, said = watched
    monitor.progress(runs[0].run_id, 0, "begun")
    for _ in range(1000):
        clock.now += 10
        monitor.progress(runs[0].run_id, 1, "epoch")
    assert 40 < len(said) < 120 and not any("epoch" in line for line in said)


def test_every_epoch_is_in_the_log_and_on_the_screen_only_if_asked(
    runs, planned, tmp_path: Path
) -> None:
    log = tmp_path / "results" / "log.txt"
    for verbose in (False, True):
        said: list[str] = []
        with Monitor(planned(runs), said.append, log, verbose) as monitor:
            monitor.progress(runs[0].run_id, 1, "epoch 1 of it")
            monitor.say("a warning")
        assert "a warning" in said and ("epoch 1 of it" in said) == verbose
        assert log.read_text().count("epoch 1 of it\na warning\n") == 1 + verbose
        assert any(str(log) in line for line in said) != verbose


def test_what_a_process_tells_arrives_as_it_was_told() -> None:
    told, said = [], []
    reporter = Reporter(said.append, progress=lambda *words: told.append(words))
    relay(as_line("run", 3, "epoch 3/9 ä"), reporter)
    relay("a warning", reporter)
    assert told == [("run", 3, "epoch 3/9 ä")] and said == ["a warning"]
    relay(as_line("run", 3, "epoch 3/9"), Reporter(said.append))
    assert said[-1] == "epoch 3/9", "without somebody who counts it is a line"


def test_on_a_terminal_there_is_one_bar_that_moves_within_an_epoch(
    runs, planned, monkeypatch
) -> None:
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    said: list[str] = []
    with Monitor(planned(runs), said.append) as monitor:
        (task,) = monitor._bar.tasks
        assert task.total == 40
        reporter = monitor.reporter
        reporter.tell(runs[0].run_id, 0, "begun")
        reporter.tell(runs[0].run_id, 1, "epoch 1")
        for number, _ in enumerate(reporter.track(range(4), "epoch 2")):
            assert task.completed == 1 + number / 4
        assert "now: sam on avmnist, seed 0" in task.description
    assert said == ["0/4 done, " + said[0].partition(", ")[2]], "only how it ended"


def test_without_a_terminal_no_bar_is_loaded(watched) -> None:
    assert not sys.stderr.isatty()
    with watched[0] as monitor:
        assert monitor._bar is None
