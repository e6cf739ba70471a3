"""The verb tune: the grids, the rule, and the way from records to choices."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml

from benchmarks.__main__ import main
from benchmarks.cli import session
from benchmarks.plan import workspace
from benchmarks.plan.check import experiment_problems
from benchmarks.plan.workspace import ROOT
from benchmarks.records.record import load_records
from benchmarks.studies.tuning.chosen import chosen_text, read_chosen
from benchmarks.studies.tuning.grid import searches
from benchmarks.studies.tuning.outcomes import best_value, csv_lines, markdown, outcomes
from tests.benchmarks.studies.tuning.grids import (
    CONFIG,
    MISSING,
    PREPARED,
    TUNE,
    outcome_of,
    record,
    search_of,
)


def test_every_value_of_every_grid_can_be_trained():
    planned = searches(CONFIG, TUNE, PREPARED)
    experiments = [e for search in planned for e in search.experiments]
    assert [problem for e in experiments for problem in experiment_problems(e)] == []


def test_every_method_with_a_grid_has_the_same_budget_everywhere():
    planned = searches(CONFIG, TUNE, PREPARED)
    assert {len(search.experiments) for search in planned} == {4}
    with_a_grid = {name for name, method in CONFIG.methods.items() if method.grid}
    nothing_to_choose = {"joint_train", "mla", "tcmax", "unimodal_ensemble"}
    followers = {"sam_scaled", "msam_random"}
    assert with_a_grid == set(CONFIG.methods) - nothing_to_choose - followers
    assert len(planned) == 2 * len(CONFIG.datasets) * len(with_a_grid)
    kept = {(e.epochs, e.batch_size, e.seed, e.optim) for s in planned for e in s.experiments}
    assert len(kept) == 1


def test_a_grid_varies_its_parameter_alone_and_holds_the_published_run():
    search = search_of("cremad early mmpareto")
    assert [e.params for e in search.experiments] == [{"gamma": v} for v in (1.0, 1.5, 2.0, 3.0)]
    assert len({replace(e, params={}).run_id for e in search.experiments}) == 1
    assert search.published == 1.5
    assert search_of("cremad late mses").published == 80
    first = search_of("avmnist late masam").experiments[0]
    assert first.params == {"rho": 0.05, "alpha": 0.8, "beta": 0.91}


def test_nothing_is_planned_where_the_data_is_missing():
    assert all(search.experiments == [] for search in searches(CONFIG, TUNE, MISSING))


@pytest.mark.parametrize(
    ("accuracies", "chosen"),
    [
        ((0.1, 0.2, 0.4, 0.3), 0.1),
        ((0.4, 0.2, 0.4, 0.3), 0.02),
        ((0.4, 0.4, 0.1, 0.4), 0.05),
        ((math.nan, 0.2, math.nan, 0.3), 0.2),
        ((0.3, math.nan, 0.3, math.nan), 0.02),
        ((math.nan,) * 4, None),
    ],
)
def test_the_highest_is_chosen_of_equals_the_published_then_the_first(accuracies, chosen):
    values = (0.02, 0.05, 0.1, 0.2)
    assert best_value(dict(zip(values, accuracies, strict=True)), published=0.05) == chosen


def test_the_choice_rests_on_the_best_validation_epoch_and_never_on_test_data():
    search = search_of("avmnist late sam")
    histories = [
        ((0.2, 0.5, 0.1), (0.9, 0.1, 0.9)),
        ((0.3, 0.3, 0.4), (0.8, 0.9, 0.9)),
        ((0.1, 0.6, 0.2), (0.1, 0.1, 0.1)),
        ((0.5, 0.4, 0.3), (0.9, 0.9, 0.9)),
    ]
    runs = [record(e, *h) for e, h in zip(search.experiments, histories, strict=True)]
    (found,) = outcomes([search], runs)
    assert [trial.accuracy for trial in found.trials] == [0.5, 0.4, 0.6, 0.5]
    assert found.chosen == 0.1
    assert found.run_ids == tuple(e.run_id for e in search.experiments)


def test_seeds_count_by_their_mean_and_all_of_them_must_be_there():
    search = search_of("avmnist late sam", seeds=2)
    values = (0.5, 0.5, 0.9, 0.0, 0.5, 0.6, 0.1, 0.1)
    runs = [record(e, (v,)) for e, v in zip(search.experiments, values, strict=True)]
    (found,) = outcomes([search], runs)
    assert [trial.accuracy for trial in found.trials] == pytest.approx([0.5, 0.45, 0.55, 0.1])
    assert found.chosen == 0.1
    (less,) = outcomes([search], runs[:-1])
    assert (less.chosen, less.reason) == (None, "incomplete: rho=0.2 missing")
    third = record(replace(search.experiments[0], seed=2))
    assert outcomes([search], [*runs, third])[0].run_ids == found.run_ids


@pytest.mark.parametrize(
    ("accuracies", "edge"),
    [((0.9, 0.2, 0.3, 0.4), True), ((0.1, 0.2, 0.9, 0.4), False), ((0, 0, 0, 0.1), True)],
)
def test_the_edge_of_the_grid_is_told(accuracies, edge):
    found = outcome_of(search_of("ave early msam"), accuracies)
    assert found.at_edge == edge
    assert ("edge of the grid" in markdown([found], CONFIG, stand_in=False)) == edge


def test_an_incomplete_grid_makes_no_choice_and_names_what_is_missing():
    search = search_of("avmnist late sam")
    runs = [record(e) for e in search.experiments]
    runs[1] = record(search.experiments[1], status="failed")
    (found,) = outcomes([search], runs[:3])
    assert found.chosen_value is None
    assert found.reason == "incomplete: rho=0.05 failed, rho=0.2 missing"
    assert found.reason in markdown([found], CONFIG, stand_in=False)
    assert outcomes([search], []) == []


def test_a_value_that_diverged_was_tried_and_is_never_chosen():
    search = search_of("avmnist late sam")
    runs = [record(e, (0.3,)) for e in search.experiments]
    runs[3] = record(search.experiments[3], (0.9,), status="diverged")
    (found,) = outcomes([search], runs)
    assert found.chosen == 0.05
    (lost,) = outcomes([search], [replace(run, status="diverged") for run in runs])
    assert (lost.chosen_value, lost.reason) == (None, "every value diverged")


def test_a_method_that_does_not_fit_has_nothing_to_choose():
    refused = {"status": "unsupported", "history": ()}
    found = outcome_of(search_of("avmnist early mses"), (0.5,) * 4, **refused)
    assert (found.chosen_value, found.reason) == (None, "unsupported: why")


def test_runs_on_different_data_are_not_compared():
    search = search_of("avmnist late sam", states=MISSING)
    plain = search_of("avmnist late sam").experiments
    other = [replace(e, data={**e.data, "fingerprint": "other"}) for e in plain]
    assert outcomes([search], map(record, plain))[0].chosen == 0.05
    (mixed,) = outcomes([search], map(record, [*plain[:2], *other[2:]]))
    assert (mixed.chosen_value, mixed.reason) == (
        None,
        "its runs saw different preparations of the data",
    )


def test_the_table_has_a_line_for_every_value():
    found = outcome_of(search_of("avmnist late sam"), (0.1, 0.2, 0.4, 0.3))
    head, *lines = csv_lines([found], stand_in=False)
    rows = [dict(zip(head, line, strict=True)) for line in lines]
    assert [row["val_accuracy"] for row in rows] == ["10.0000", "20.0000", "40.0000", "30.0000"]
    assert [row["chosen"] for row in rows] == [False, False, True, False]
    assert [row["published"] for row in rows] == [False, True, False, False]
    assert {row["runs"] for row in rows} == {4}
    assert [row["run_ids"] for row in rows] == list(found.run_ids)
    assert "0.1: 40.00" in markdown([found], CONFIG, stand_in=False)


@pytest.fixture
def tiny(monkeypatch):
    """The demo profile made tiny."""
    demo = replace(CONFIG.profiles["demo"], epochs=1, batch_size=16, train_samples=32, seeds=1)
    config = replace(CONFIG, profiles={**CONFIG.profiles, "demo": demo})
    monkeypatch.setattr(session, "load_config", lambda: config)
    return config


WORDS = ["tune", "--profile", "demo", "--datasets", "avmnist", "--fusion", "late", "--jobs", "1"]
PAIR = ["--methods", "sam", "ogm_ge"]


def test_tuning_from_the_command_line_can_be_rebuilt_from_its_records(tiny, tmp_path, capsys):
    words = [*WORDS, "--out", str(tmp_path)]
    assert main([*words, "--methods", "sam"]) == 0
    assert main([*words, *PAIR]) == 0
    out = capsys.readouterr().out
    assert "8 runs planned, 4 of them done before" in out
    assert "STAND-IN DATA" in out and "no profile uses these choices" in out
    written = (tmp_path / "choices.yaml").read_text()
    content = yaml.safe_load(written)
    assert content["stand_in"] is True
    chosen = {choice["method"]: choice["parameter"] for choice in content["choices"]}
    assert chosen == {"sam": "rho", "ogm_ge": "alpha"}
    runs = {run for choice in content["choices"] for run in choice["runs"]}
    assert runs == {path.stem for path in tmp_path.glob("runs/*.json")}
    lines = list(csv.DictReader((tmp_path / "choices.csv").open(newline="")))
    assert len(lines) == 8 and {line["stand_in"] for line in lines} == {"True"}
    assert "STAND-IN DATA" in (tmp_path / "choices.md").read_text()
    records, _ = load_records(tmp_path / "runs")
    rebuilt = outcomes(searches(tiny, tiny.profiles["demo"], MISSING), records)
    assert chosen_text([o.chosen_value for o in rebuilt], "demo", stand_in=True) == written
    (tmp_path / "choices.yaml").unlink()
    assert main([*words, "--methods", "sam"]) == 0
    assert (tmp_path / "choices.yaml").read_text() == written
    with pytest.raises(ValueError, match="stand-in data"):
        read_chosen(tmp_path / "choices.yaml", CONFIG)


def test_a_failed_run_leaves_its_grid_without_a_choice(tiny, tmp_path, capsys, monkeypatch):
    def broken(self, inputs, labels):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("baselines.ogm_ge.OGMGE.step", broken)
    assert main([*WORDS, *PAIR, "--out", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "no choice for avmnist late ogm_ge: incomplete: alpha=0.1 failed, alpha=0.3" in out
    content = yaml.safe_load((tmp_path / "choices.yaml").read_text())
    assert [choice["method"] for choice in content["choices"]] == ["sam"]


def test_a_dry_run_lists_the_grid_and_trains_nothing(tiny, tmp_path, capsys):
    assert main([*WORDS, *PAIR, "--dry-run", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("avmnist-late-sam-s0") == out.count("avmnist-late-ogm_ge-s0") == 4
    assert list(tmp_path.rglob("*.*")) == []


def test_planning_does_not_wait_for_torch(tmp_path):
    words = [*WORDS, *PAIR, "--dry-run", "--out", str(tmp_path)]
    code = (
        "import sys\nfrom benchmarks.__main__ import main\n"
        f"status = main({words!r})\nsys.exit(status or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "24 runs planned" in done.stdout


def test_without_data_or_records_it_says_what_to_type_and_fails_as_a_table_does(tmp_path, capsys):
    """Exit status 1, as of `table1`."""
    for verb in ("tune", "table1"):
        words = [verb, "--profile", "tune", "--datasets", "cremad", "--out", str(tmp_path)]
        assert main(words) == 1
        out = capsys.readouterr().out
        assert "CREMA-D cannot be run: " in out and "./reproduce.sh data prepare cremad" in out
        assert "nothing can be run, and there is no record to report" in out
        assert "planned" not in out
    assert list(tmp_path.rglob("choices.*")) == []


def test_choices_whose_runs_are_not_at_hand_are_never_dropped(tiny, tmp_path, capsys):
    """As in a clone that holds choices.yaml and no runs."""
    words = [*WORDS, "--methods", "sam", "--out", str(tmp_path)]
    found = outcome_of(search_of("cremad early mmpareto"), (0.1, 0.2, 0.4, 0.3))
    path = tmp_path / "choices.yaml"
    path.write_text(chosen_text([found.chosen_value], "tune", stand_in=False))
    before = path.read_text()
    assert main(words) == 2
    said = capsys.readouterr().err
    for part in (str(path), "cremad early mmpareto", f"bring their runs to {tmp_path / 'runs'}"):
        assert part in said
    assert "delete the file" in said and "avmnist late sam" not in said
    assert path.read_text() == before
    assert [p.name for p in tmp_path.glob("choices.*")] == ["choices.yaml"]
    path.unlink()
    assert main(words) == 0
    assert [c["method"] for c in yaml.safe_load(path.read_text())["choices"]] == ["sam"]


def test_what_is_wrong_in_the_file_does_not_keep_it_from_being_written_again(tiny, tmp_path):
    words = [*WORDS, "--methods", "sam", "--out", str(tmp_path)]
    path = tmp_path / "choices.yaml"
    for wrong in ("profile: tune", "choices: [5, {method: sam}]", "choices: 5"):
        path.write_text(wrong)
        assert main(words) == 0
        assert len(yaml.safe_load(path.read_text())["choices"]) == 1


def test_status_of_the_profile_tune_counts_the_grids(tmp_path, capsys, monkeypatch):
    states = {**MISSING, "avmnist": PREPARED["avmnist"]}
    monkeypatch.setattr(workspace, "data_states", lambda config, profile, dry_run: states)
    for experiment in search_of("avmnist late sam").experiments:
        made = record(experiment)
        made.save(tmp_path / "runs" / f"{made.run_id}.json")
    assert main(["status", "--profile", "tune", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    planned = len([s for s in searches(CONFIG, TUNE, states) if s.experiments]) * 4
    assert ["tune", "4", str(planned - 4)] in [line.split()[:3] for line in lines]
    assert any("data missing" in line for line in lines)
    assert not any(line.startswith(("table1", "table2")) for line in lines)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--methods", "msma"], "'msam'"),
        (["--methods", "joint_train"], "no method with a grid 'joint_train'"),
        (["--fusion", "lat"], "'late'"),
        (["--datasets", "avmnits"], "'avmnist'"),
        (["--protocol", "published"], "tune needs validation"),
        (["--seeds", "2"], "--seeds"),
    ],
)
def test_wrong_words_are_named(capsys, words, named):
    assert main(["tune", *words]) == 2
    assert named in capsys.readouterr().err
