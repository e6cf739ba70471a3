"""The choices on validation data: their file, and who uses them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.__main__ import main
from benchmarks.plan import workspace
from benchmarks.plan.suites import experiment_values, plan_suite
from benchmarks.studies.tuning.chosen import ChosenValue, chosen_text, read_chosen, with_chosen
from tests.benchmarks.studies.tuning.grids import CONFIG, PREPARED, outcome_of, search_of


@pytest.fixture
def choices(tmp_path):
    """A written file with M-SAM's rho 0.1 for AV-MNIST, late."""
    found = outcome_of(search_of("avmnist late msam"), (0.1, 0.2, 0.4, 0.3))
    path = tmp_path / "choices.yaml"
    path.write_text(chosen_text([found.chosen_value], "tune", stand_in=False))
    return path


def test_what_is_written_is_read_again(choices):
    (choice,) = read_chosen(choices, CONFIG)
    ids = tuple(e.run_id for e in search_of("avmnist late msam").experiments)
    assert choice == ChosenValue("avmnist", "late", "msam", "rho", 0.1, ids)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("dataset: avmnist", "dataset: avmnits", "did you mean 'avmnist'"),
        ("fusion: late", "fusion: lat", "one of late, early"),
        ("method: msam", "method: msma", "did you mean 'msam'"),
        ("method: msam", "method: joint_train", "no method with a grid 'joint_train'"),
        ("method: msam", "method: msam_random", "no method with a grid 'msam_random'"),
        ("parameter: rho", "parameter: roh", "did you mean 'rho'"),
        ("value: 0.1", "value: 0.15", r"0.15 is not in its grid, which has 0.02, 0.05, 0.1, 0.2"),
        ("value: 0.1", "value: .nan", "a finite number"),
        ("late-msam-s0-", "late-sam-s0-", "not one of its runs, named avmnist-late-msam-s0-"),
        ("- avmnist-late", "- cremad-late", "'cremad-late-msam-s0-.* is not one of its runs"),
        ("  - avmnist-late-msam-s0-", "  - my-best-run-", "'my-best-run-.* is not one of its runs"),
        ("stand_in: false", "stand_in: true", "stand-in data"),
        ("profile: tune\n", "", "lacks the key 'profile'"),
        ("parameter: rho", "paramter: rho", "did you mean 'parameter'"),
        ("- dataset: avmnist", "- 5\n- dataset: avmnist", "choice 1 must be a mapping"),
        ("  - avmnist-late", "  - 1\n  - avmnist-late", "a list, each a word"),
    ],
)
def test_every_mistake_in_the_file_is_named(choices, old, new, named):
    text = choices.read_text()
    assert old in text
    choices.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=named) as caught:
        read_chosen(choices, CONFIG)
    assert "choices.yaml" in str(caught.value)


def test_all_mistakes_are_named_at_once(choices):
    (good,) = read_chosen(choices, CONFIG)
    wrong = [replace(good, runs=good.runs[:3]), replace(good, value=7)]
    choices.write_text(chosen_text(wrong, "tune", stand_in=False))
    with pytest.raises(ValueError) as caught:
        read_chosen(choices, CONFIG)
    for part in ("3 runs, fewer", "7 is not in its grid", "avmnist late msam is chosen twice"):
        assert part in str(caught.value)


def test_a_value_is_of_the_grids_own_type(choices):
    """5.0 epochs of patience would be other runs than 5, and no whole number."""
    found = outcome_of(search_of("avmnist late mses"), (0.4, 0.3, 0.2, 0.1))
    choices.write_text(chosen_text([found.chosen_value], "tune", stand_in=False))
    assert [choice.value for choice in read_chosen(choices, CONFIG)] == [5]
    choices.write_text(choices.read_text().replace("value: 5", "value: 5.0"))
    with pytest.raises(ValueError, match=r"5.0 is not in its grid, which has 5, 10, 30, 80"):
        read_chosen(choices, CONFIG)


def test_a_run_counts_once(choices):
    (good,) = read_chosen(choices, CONFIG)
    wrong = replace(good, runs=good.runs[:1] * 4)
    choices.write_text(chosen_text([wrong], "tune", stand_in=False))
    with pytest.raises(ValueError, match="it names 1 runs, fewer than its grid has values"):
        read_chosen(choices, CONFIG)


def params(config, profile, method, dataset="avmnist", fusion="late", **changes):
    names = {"dataset": dataset, "fusion": fusion, "method": method, "modalities": [], "seed": 0}
    return experiment_values(config, config.profiles[profile], names, changes)["params"]


@pytest.fixture
def tuned(choices):
    """The configuration with the choice, and what is said about it."""
    return with_chosen(CONFIG, choices, None)


@pytest.mark.parametrize("profile", sorted(CONFIG.profiles))
def test_only_profiles_that_say_so_use_choices(tuned, profile):
    config, _ = tuned
    used = 0.1 if profile in ("pilot", "pilot_aligned", "short", "paper") else 0.05
    assert params(config, profile, "msam") == {"rho": used}


def test_a_choice_holds_for_its_dataset_fusion_and_method_alone(tuned):
    config, _ = tuned
    for other in ({"dataset": "cremad"}, {"fusion": "early"}):
        assert params(config, "paper", "msam", **other) == {"rho": 0.05}
    assert params(config, "paper", "sam") == {"rho": 0.05}


def test_controls_follow_what_they_control(tuned):
    config, _ = tuned
    assert params(config, "paper", "msam_random") == {"rho": 0.1}
    assert params(config, "paper", "sam_scaled") == {"rho": 0.1, "factor": 0.75}


def test_an_explicit_setting_wins(tuned):
    assert params(tuned[0], "paper", "msam", rho=0.2) == {"rho": 0.2}


def test_choices_hold_for_the_protocol_under_which_they_were_made(tuned, choices):
    assert params(tuned[0], "paper", "msam", protocol="published") == {"rho": 0.05}
    config, line = with_chosen(CONFIG, choices, "actor_disjoint")
    assert config.choices == {}
    assert "holds for the protocol validation" in line


def test_tables_are_planned_with_the_choices(tuned):
    config, _ = tuned
    cells = plan_suite(config, "table1", config.profiles["paper"], PREPARED)
    rho = {(c.dataset, c.row.method): c.template.params.get("rho") for c in cells}
    assert rho["avmnist", "msam"] == 0.1
    assert (rho["cremad", "msam"], rho["avmnist", "sam"]) == (0.05, 0.05)


@pytest.mark.parametrize("profile", ["short", "paper"])
def test_without_choices_every_run_is_the_published_one(profile):
    as_published = replace(CONFIG.profiles[profile], params="published")
    for suite in CONFIG.suites:
        tuned = plan_suite(CONFIG, suite, CONFIG.profiles[profile], PREPARED)
        assert tuned == plan_suite(CONFIG, suite, as_published, PREPARED)


def said(capsys, monkeypatch, *words):
    """The line on hyperparameters, in one piece."""
    monkeypatch.setenv("COLUMNS", "400")
    assert main(list(words)) == 0
    return [x for x in capsys.readouterr().out.splitlines() if x.startswith("hyperparameters")]


def test_a_session_says_which_choices_it_uses(capsys, choices, monkeypatch, tmp_path):
    monkeypatch.setattr(workspace, "choices_file", lambda _: tmp_path / "none.yaml")
    (line,) = said(capsys, monkeypatch, "status", "--profile", "paper")
    assert "none is chosen" in line and "./reproduce.sh tune" in line
    monkeypatch.setattr(workspace, "choices_file", lambda _: choices)
    (line,) = said(capsys, monkeypatch, "status", "--profile", "short")
    assert "1 chosen on validation data" in line and "1 of them other than" in line
    assert said(capsys, monkeypatch, "status", "--profile", "quick", "--out", str(tmp_path)) == []
    choices.write_text("profile: tune")
    assert said(capsys, monkeypatch, "status", "--profile", "demo", "--out", str(tmp_path)) == []
    assert main(["status", "--profile", "paper"]) == 2
    assert "lacks the key 'choices'" in capsys.readouterr().err
