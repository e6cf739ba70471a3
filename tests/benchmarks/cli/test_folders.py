"""One's own runs and the published ones: which verb reads and writes which folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.cli.session import open_session
from benchmarks.cli.verbs import parse
from benchmarks.exit_status import Exit
from benchmarks.plan import words as plan_words
from benchmarks.plan import workspace
from benchmarks.plan.suites import Cell
from tests.benchmarks.report.builders import READY, cell_of, plan, record

SAM = cell_of(plan(avmnist=READY), "SAM")
MCR = next(
    c for c in plan("extended", avmnist=READY) if c.template.method == "mcr" and not c.reason
)
RUN = ["run", "--dataset", "avmnist", "--method", "sam", "--profile", "demo"]
TINY = ["--set", "epochs=1", "--set", "train_samples=64"]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch) -> Path:
    """The results of a checkout, in which the profile `paper` has a published run."""
    monkeypatch.setattr(workspace, "ROOT", tmp_path)
    assert tmp_path != plan_words.ROOT  # imported before: methods are still found in the code
    save(tmp_path / "results" / "paper", 71.0)
    return tmp_path / "results"


def save(folder: Path, percent: float, cell: Cell = SAM) -> None:
    run = record(cell, 0, percent)
    run.save(folder / "runs" / f"{run.run_id}.json")


def root(*words: str) -> Path:
    return open_session(parse(list(words)), lambda text: None).folders.root


@pytest.mark.parametrize("verb", ["table1", "all", "tune", "status"])
@pytest.mark.parametrize("profile", ["paper", "pilot"])
def test_training_never_goes_among_the_published_runs(clone, verb, profile) -> None:
    assert root(verb, "--profile", profile) == clone / "local" / profile
    assert root(verb, "--profile", profile, "--out", "there") == Path("there")


@pytest.mark.parametrize("verb", ["compare", "report", "figures"])
def test_reading_takes_the_published_runs_where_there_are_any(clone, verb) -> None:
    assert root(verb, "--profile", "paper") == clone / "paper"
    assert root(verb, "--profile", "paper", "--local") == clone / "local" / "paper"
    assert root(verb, "--profile", "pilot") == clone / "local" / "pilot"
    assert root(verb, "--profile", "paper", "--out", "there") == Path("there")


def test_a_published_run_is_trained_again_for_oneself(clone, capsys) -> None:
    assert main([*RUN, *TINY, "--out", str(clone / "demo")]) == Exit.FINE
    published = [path.name for path in (clone / "demo" / "runs").iterdir()]
    capsys.readouterr()
    assert main([*RUN, *TINY]) == Exit.FINE
    assert "done before" not in capsys.readouterr().out
    assert [path.name for path in (clone / "local" / "demo" / "runs").iterdir()] == published
    assert main([*RUN, *TINY]) == Exit.FINE
    assert "done before" in capsys.readouterr().out


def test_both_are_shown_side_by_side(clone, capsys) -> None:
    save(clone / "local" / "paper", 72.5)
    assert main(["compare", "--profile", "paper", "--both"]) == Exit.UNDECIDED
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "AV-MNIST fused" in line]
    assert "71.00 (1)" in line and "72.50 (1)" in line and "+1.50" in line


@pytest.mark.parametrize("side", ["paper", "local/paper"])
@pytest.mark.parametrize("words", [[], ["--datasets", "avmnist"], ["--methods", "mcr"]], ids=str)
def test_both_show_a_table_that_only_one_of_them_has(clone, capsys, side, words) -> None:
    save(clone / side, 64.5, MCR)
    assert main(["compare", *words, "--profile", "paper", "--both"]) == Exit.UNDECIDED
    lines = [line for line in capsys.readouterr().out.splitlines() if "AV-MNIST fused" in line]
    assert sum("64.50 (1)" in line for line in lines) == 1
    assert any("71.00 (1)" in line for line in lines) == ("mcr" not in words)


def test_both_refuse_a_row_that_neither_has(clone, capsys) -> None:
    assert main(["compare", "--methods", "mcr", "--profile", "paper", "--both"]) == Exit.BAD_INPUT
    assert "no row" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--local"], ["--out", "there"]])
def test_both_takes_no_other_folder(clone, capsys, words) -> None:
    assert main(["compare", "--profile", "paper", "--both", *words]) == Exit.BAD_INPUT
    assert main(["compare", "--profile", "pilot", "--both"]) == Exit.BAD_INPUT
    assert "no runs of the profile pilot are published" in capsys.readouterr().err


def test_status_says_how_to_train_and_what_is_published(clone, capsys) -> None:
    assert main(["status", "--profile", "demo"]) == Exit.FINE
    told = capsys.readouterr().out
    assert "./reproduce.sh table1 --profile demo" in told and "compare --profile demo" not in told
    assert main(["status", "--profile", "paper"]) == Exit.FINE
    told = capsys.readouterr().out
    assert (
        "1 published run of profile paper" in told
        and "./reproduce.sh compare --profile paper" in told
    )
    assert "data prepare avmnist" in told and "1 done" not in told


def test_own_runs_use_own_choices(clone, monkeypatch) -> None:
    def chosen(*words: str) -> float:
        config = open_session(parse([*words, "--profile", "paper"]), lambda text: None).config
        return config.chosen("avmnist", "late", "sam")["rho"]

    for folder, rho in (("tune", 0.1), ("local/tune", 0.2)):
        text = (
            "{dataset: avmnist, fusion: late, method: sam, parameter: rho, value: %s, runs: [%s]}"
        )
        runs = ", ".join(f"avmnist-late-sam-s0-{n}" for n in range(4))
        place = clone / folder / "choices.yaml"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"profile: tune\nstand_in: false\nchoices:\n- {text % (rho, runs)}\n")
    assert chosen("table1") == chosen("compare", "--local") == 0.2
    assert chosen("compare") == chosen("report", "--out", "there") == 0.1
    monkeypatch.chdir(clone)
    assert chosen("table1", "--out", "local/mine") == 0.2
