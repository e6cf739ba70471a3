"""Verbs and options: each is declared once, every table is a verb, a wrong word is named."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.cli import verbs as declared
from benchmarks.cli.verbs import BUILT_IN, parse, usage, verbs
from benchmarks.configs.load import load_config
from benchmarks.configs.schema import SuiteConfig
from tests.benchmarks.cli.calls import fails

ROOT = Path(__file__).parents[3]
SUITES = list(load_config().suites)
RUN = ["run", "--dataset", "avmnist", "--method", "msam"]
TABLE = ["table1", "--profile", "demo"]


def test_a_call_without_words_lists_every_verb_and_what_it_does(capsys):
    assert main([]) == main(["--help"]) == 0
    shown = capsys.readouterr().out.splitlines()
    for verb in verbs().values():
        assert [line.split() for line in shown].count([verb.name, *verb.about.split()]) == 2


def test_every_verb_has_its_function():
    for verb in BUILT_IN:
        module, _, function = verb.function.partition(":")
        assert verb.name == "test" or callable(getattr(import_module(module), function))


@pytest.mark.parametrize("name", [*SUITES, "mine"])
def test_every_suite_is_a_verb_by_itself(name, monkeypatch):
    mine = SuiteConfig("My own table", "late", (), "ours")
    suites = {**load_config().suites, "mine": mine}
    monkeypatch.setattr(declared, "load_suites", lambda: suites)
    assert parse([name, "--dry-run"]).function == "benchmarks.cli.train:table"
    assert suites[name].title in usage()
    with pytest.raises(ValueError, match=f"'{name}'"):
        parse([f"{name}x"])


def test_a_table_cannot_have_the_name_of_another_verb(monkeypatch, capsys):
    suite = SuiteConfig("My own table", "late", (), "ours")
    monkeypatch.setattr(declared, "load_suites", lambda: {"status": suite})
    error = fails(capsys, "status")
    assert "table 'status' (My own table)" in error and "verb 'status' (done, running" in error


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["tabel1"], "'table1'"),
        (["contrls"], "'controls'"),
        (["--profile", "demo"], "no verb '--profile'"),
        (["test"], "./reproduce.sh"),
        (["run", "--dataset", "avmnits", "--method", "msam"], "'avmnist'"),
        (["run", "--dataset", "avmnist", "--method", "msma"], "'msam'"),
        (["run", "--dataset", "avmnist"], "--method"),
        (["run", "--datset", "avmnist"], "'--dataset'"),
        ([*RUN, "--fusion", "lat"], "'late'"),
        ([*RUN, "--sed", "1"], "'--seed'"),
        ([*RUN, "--sed=1"], "'--seed'"),
        ([*RUN, "--seed", "one"], "--seed"),
        ([*RUN, "--seed", "-1"], "at least 0"),
        ([*RUN, "--set", "rho"], "name=value"),
        ([*RUN, "avmnist"], "unrecognized arguments: avmnist"),
        (["table1", "--profile", "dmo"], "'demo'"),
        ([*TABLE, "--methods", "msma"], "'msam'"),
        ([*TABLE, "--seeds", "0"], "at least 1"),
        ([*TABLE, "--threads", "0"], "at least 1"),
        ([*TABLE, "--selection", "bests"], "'val-best'"),
        ([*TABLE, "--protocol", "publish"], "'published'"),
        (["data", "prepar", "avmnist"], "'prepare'"),
        (["data", "prepare", "avmnits"], "'avmnist'"),
        (["data", "prepare"], "name the dataset"),
        (["bench", "--rounds", "0"], "at least 1"),
        (["bench", "--parts", "step"], "'steps'"),
        (["forensics", "--seeds", "0"], "at least 1"),
        (["forensics", "--threads", "0"], "at least 1"),
        (["check-method", "msma"], "'msam'"),
    ],
    ids=lambda given: given if isinstance(given, str) else " ".join(given),
)
def test_a_wrong_word_is_named_with_the_right_one(capsys, words, named):
    assert named in fails(capsys, *words)


@pytest.mark.parametrize("verb", ["table1", "merge"])
def test_the_help_sends_to_the_list_for_the_profiles(capsys, verb):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    assert "./reproduce.sh list" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["list"],
        ["status"],
        ["data", "status"],
        ["run", "--help"],
        ["tabel1"],
        ["new-method", "Bad"],
        ["check-method", "msma"],
        [*TABLE, "--methods", "msma"],
        [*TABLE, "--datasets", "avmnist", "--dry-run"],
    ],
    ids=" ".join,
)
def test_what_trains_nothing_starts_without_slow_libraries(words):
    code = (
        "import sys\nfrom benchmarks.__main__ import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_files_of_the_command_line_and_the_plan_load_no_torch():
    """But for `plan.check`, which asks the methods."""
    rooms = ("cli", "configs", "plan", "records")
    files = [path for room in rooms for path in (ROOT / "benchmarks" / room).glob("*.py")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    lines = [f"import {name}" for name in names if name != "benchmarks.plan.check"]
    code = "\n".join(["import sys", *lines, "sys.exit('torch' in sys.modules)"])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
