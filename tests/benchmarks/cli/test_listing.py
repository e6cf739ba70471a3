"""`list` shows the paper's rows first and keeps extensions and controls apart; `list NAME` shows
all of one entry, as its code has it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.registry import METHODS
from benchmarks.__main__ import main
from benchmarks.configs.load import load_config
from benchmarks.plan.hyperparameters import UNREADABLE, declared
from datasets.registry import LOADERS
from msam.parameters import hyperparameters
from tests.benchmarks.cli.calls import fails

ROOT = Path(__file__).parents[3]
CONFIG = load_config()


def shown(capsys: pytest.CaptureFixture, *words: str) -> str:
    assert main(["list", *words]) == 0
    return capsys.readouterr().out


def sections(text: str) -> dict[str, list[str]]:
    """{title: names} of what `list` prints."""
    found, title = {}, ""
    for line in text.splitlines():
        if line.endswith(":") and line[0] != " ":
            title = line.removesuffix(":")
            found[title] = []
        elif line.startswith("  ") and line[2] != " ":
            found[title].append(line.split()[0])
    return found


def test_rows_of_the_tables_come_first_in_the_papers_order(capsys):
    found = sections(shown(capsys))
    assert list(found)[:3] == ["methods", "extensions", "controls"]
    rows = [row.method for row in CONFIG.suites["table1"].rows if row.method in CONFIG.methods]
    assert found["methods"] == list(dict.fromkeys(rows))


def test_every_method_is_listed_once_in_its_group(capsys):
    found = sections(shown(capsys))
    for name, method in CONFIG.methods.items():
        title = {"table": "methods", "extension": "extensions", "control": "controls"}[method.group]
        assert found[title].count(name) == 1
    assert {"masam", "monge_sam", "asam", "wsam"} <= set(found["extensions"])
    assert {"sam_scaled", "msam_random"} <= set(found["controls"])


@pytest.mark.parametrize("name", METHODS)
def test_hyperparameters_are_those_of_the_class(name):
    """Read from the file, without importing it."""
    found = {each.name: each for each in declared(name).hyperparameters}
    real = hyperparameters(METHODS[name])
    assert list(found) == list(real)
    for key, parameter in real.items():
        default = json.dumps(parameter.default).strip('"')
        assert found[key].default == default
        assert UNREADABLE not in found[key].allowed


def test_allowed_values_are_in_words():
    allowed = {each.name: each.allowed for each in declared("msam").hyperparameters}
    assert allowed["rho"] == "a number, at least 0"
    assert allowed["split"] == "scalar, response, unimodal", "an alias of another file"
    assert allowed["refresh"] == "a whole number, at least 1"
    agm = {each.name: each.allowed for each in declared("agm").hyperparameters}
    assert agm["clip"] == "a number, at least 0, or null"


@pytest.mark.parametrize("name", CONFIG.methods)
def test_a_method_shows_values_sources_and_grid(capsys, name):
    method, text = CONFIG.methods[name], " ".join(shown(capsys, name).split())
    for known in (method.label, method.reference):
        assert " ".join(known.split()) in text
    for key, entry in method.params.items():
        assert key in text and " ".join(str(entry["source"]).split()) in text
    if method.grid:
        assert f"tune chooses {method.grid.parameter} among" in text and method.grid.source in text
    if method.follows:
        assert f"follows the choice of {CONFIG.methods[method.follows].label}" in text


def test_what_a_method_cannot_train_is_said(capsys):
    assert "early fusion" in shown(capsys, "mses")
    assert "cannot train" not in shown(capsys, "sam")


def test_values_of_single_datasets_are_shown(capsys):
    assert "10; cremad: 80; urfunny: 30" in " ".join(shown(capsys, "mses").split())


@pytest.mark.parametrize("name", CONFIG.datasets)
def test_a_dataset_shows_its_options_and_where_it_comes_from(capsys, name):
    text = shown(capsys, name)
    assert CONFIG.datasets[name].label in text and f"data sources {name}" in text
    for option, values in LOADERS[name].options.items():
        assert option in text and all(str(value) in text for value in values)


def test_tables_and_profiles_are_shown_in_full(capsys):
    text = shown(capsys, "controls")
    assert all(row.label in text for row in CONFIG.suites["controls"].rows)
    assert "split response" in text
    assert "decay_epochs: 3" in shown(capsys, "pilot")


def test_a_wrong_name_has_a_hint(capsys):
    assert "'msam'" in fails(capsys, "list", "msma")


@pytest.mark.parametrize(
    ("profile", "verb"), [("pilot", "table1"), ("tune", "tune"), ("pilot_tune", "tune")]
)
def test_a_profile_names_the_verb_that_trains_with_it(capsys, profile, verb):
    assert main(["list", profile]) == 0
    assert f"./reproduce.sh {verb} --profile {profile}" in capsys.readouterr().out


def test_a_method_is_listed_without_slow_libraries():
    code = (
        "import sys\nfrom benchmarks.__main__ import main\nmain(['list', 'msam'])\n"
        "sys.exit(bool({'torch', 'pandas', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0
    )
