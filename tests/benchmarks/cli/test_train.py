"""The verbs of the tables on what cannot be run, and what to type afterwards."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.cli import session
from benchmarks.configs.load import load_config
from benchmarks.configs.schema import SuiteConfig
from benchmarks.exit_status import Exit
from benchmarks.plan import measurements
from benchmarks.records.record import RunRecord
from datasets import registry
from tests.benchmarks.report.builders import READY, cell_of, plan, record

DATASETS = load_config().datasets
MSAM = cell_of(plan(avmnist=READY), "M-SAM")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch) -> None:
    """Takes the place of the fixture with stand-in data: here nothing is prepared."""
    monkeypatch.setenv("MSAM_DATA_DIR", str(tmp_path / "no data"))


def save(out: Path, run: RunRecord) -> None:
    run.save(out / "runs" / f"{run.run_id}.json")


@pytest.mark.parametrize("profile", ["paper", "short", "quick", "pilot"])
@pytest.mark.parametrize("named", [[], ["cremad", "ave"]])
def test_missing_data_is_named_with_what_to_type(
    capsys, monkeypatch, tmp_path: Path, profile: str, named: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "400")  # no line wraps
    words = ["table1", "--profile", profile, "--out", str(tmp_path / "out")]
    assert main([*words, *(["--datasets", *named] if named else [])]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    gaps = [line for line in lines if not line.startswith("hyperparameters: ")]
    for line, name in zip(gaps, named or DATASETS, strict=True):
        assert line.startswith(f"{DATASETS[name].label} cannot be run: ")
        assert f"./reproduce.sh data prepare {name} " in line
    assert last == "nothing can be run, and there is no record to report"
    assert not (tmp_path / "out").exists()


def test_records_are_reported_where_nothing_can_be_run(capsys, tmp_path: Path) -> None:
    save(tmp_path, record(MSAM, 0, 71.23))
    assert main(["table1", "--profile", "paper", "--out", str(tmp_path)]) == 0
    assert "71.23 (1)" in capsys.readouterr().out
    assert main(["table2", "--profile", "paper", "--out", str(tmp_path)]) == 1


def test_a_table_that_shares_every_run_with_another_one_is_shown(
    capsys, tmp_path: Path, monkeypatch
) -> None:
    config = load_config()
    mine = SuiteConfig("My own table", "late", (MSAM.row,), "ours")
    config = replace(config, suites={**config.suites, "mine": mine})
    monkeypatch.setattr(session, "load_config", lambda: config)
    save(tmp_path, record(MSAM, 0, 71.23))
    main(["compare", "--profile", "paper", "--out", str(tmp_path)])
    tables = {line.split()[0] for line in capsys.readouterr().out.splitlines() if "71.23" in line}
    assert tables == {"table1", "mine"}, "controls has runs of its own, and none has ended"


def test_damaged_figures_of_bench_do_not_cost_the_tables(
    capsys, tmp_path: Path, monkeypatch
) -> None:
    broken = tmp_path / "steps.json"
    broken.write_text("{")
    read = partial(measurements.load_figures, tmp_path)
    monkeypatch.setattr("benchmarks.plan.measurements.load_figures", read)
    save(tmp_path, record(MSAM, 0, 71.23))
    assert main(["table1", "--profile", "paper", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "71.23 (1)" in told
    assert [line for line in told.splitlines() if line.startswith(f"{broken} is not a table")]


PUBLISHED = {"data": {**MSAM.template.data, "protocol": "published"}}


@pytest.mark.parametrize(
    ("typed", "changes"),
    [([], {}), (["--protocol", "published"], PUBLISHED), (["--threads", "2"], {"threads": 2})],
)
@pytest.mark.parametrize("rule", [[], ["--selection", "last"]])
def test_the_closing_hint_shows_the_same_results(
    capsys, tmp_path: Path, typed: list[str], changes: dict[str, object], rule: list[str]
) -> None:
    out = tmp_path / "my results"
    save(out, record(replace(MSAM, template=replace(MSAM.template, **changes)), 0, 71.23))
    assert main(["table1", "--profile", "paper", "--out", str(out), *typed, *rule]) == 0
    first = capsys.readouterr().out
    hint = first.splitlines()[-1].partition(": ")[2]
    script, *words = shlex.split(hint)
    assert (script, words[0]) == ("./reproduce.sh", "report")
    assert main(["compare", *words[1:]]) == Exit.UNDECIDED
    again = capsys.readouterr().out
    assert "71.23" in first and "71.23" in again
    assert words[1:] == ["--profile", "paper", *typed, "--out", str(out), *rule]


def test_a_protocol_that_a_dataset_lacks_is_an_error_that_names_those_that_have_it(
    capsys, tmp_path: Path
) -> None:
    words = ["--profile", "paper", "--protocol", "actor_disjoint", "--out", str(tmp_path)]
    for verb in ("table1", "all"):
        assert main([verb, *words]) == 2
        error = capsys.readouterr().err
        assert "exists for cremad only, not for avmnist, urfunny, ave" in error
        assert "add --datasets cremad" in error
    assert main(["run", "--dataset", "ave", "--method", "sam", *words]) == 2
    error = capsys.readouterr().err
    assert error.endswith("exists for cremad only, not for ave\n") and error.count("\n") == 1
    assert main(["table1", "--datasets", "cremad", *words]) == 1
    assert "CREMA-D cannot be run" in capsys.readouterr().out
    assert main(["report", *words]) == 0, "what is there can be reported"


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (["table1", "--datasets", "ave", "cremad"], ["ave", "cremad"]),
        (["table2"], list(DATASETS)),
        (["run", "--dataset", "urfunny", "--method", "msam"], ["urfunny"]),
    ],
)
def test_stand_in_data_is_generated_for_what_is_asked(
    monkeypatch, tmp_path: Path, words: list[str], made: list[str]
) -> None:
    found: list[str] = []
    monkeypatch.setattr(registry, "generate_stand_in", lambda name, folder: found.append(name))
    assert main([*words, "--profile", "demo", "--out", str(tmp_path)]) in (1, 2)
    assert found == made


def test_without_a_profile_the_hint_is_about_the_dataset_that_is_asked(
    capsys, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(registry, "generate_stand_in", lambda name, folder: None)
    monkeypatch.setenv("COLUMNS", "400")  # no line wraps
    for words in (["table1", "--datasets", "cremad"], ["run", "--dataset", "cremad"]):
        method = ["--method", "sam"] * (words[0] == "run")
        main([*words, *method, "--out", str(tmp_path)])
        first = capsys.readouterr().out.splitlines()[0]
        assert "`./reproduce.sh data prepare cremad`" in first and "avmnist" not in first
