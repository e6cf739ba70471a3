"""Verbs and options: each is declared once, every table is a verb, a wrong word is named."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.cli.verbs import BUILT_IN, COMMITTED_TABLES, parse, usage, verbs
from benchmarks.configs.load import load_config
from benchmarks.configs.schema import SuiteConfig
from msam import __version__
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
    monkeypatch.setattr("benchmarks.configs.load.load_suites", lambda: suites)
    assert parse([name, "--dry-run"]).function == "benchmarks.cli.train:table"
    assert suites[name].title in usage()
    with pytest.raises(ValueError, match=f"'{name}'"):
        parse([f"{name}x"])


def test_a_table_cannot_have_the_name_of_another_verb(monkeypatch, capsys):
    suite = SuiteConfig("My own table", "late", (), "ours")
    monkeypatch.setattr("benchmarks.configs.load.load_suites", lambda: {"status": suite})
    error = fails(capsys, "status")
    assert "table 'status' (My own table)" in error and "verb 'status' (which runs" in error


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
        (["help", "comapre"], "'compare'"),
        (["list", "msma"], "'msam'"),
        (["completion", "fish"], "bash"),
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


def test_help_shows_all_verbs_or_one(capsys):
    assert main(["help"]) == 0 == main(["--help"])
    text = capsys.readouterr().out
    assert text[: len(text) // 2] == text[len(text) // 2 :]
    assert main(["help", "merge"]) == 0
    helped = capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        main(["merge", "--help"])
    assert capsys.readouterr().out == helped


def test_verbs_stand_in_groups_and_every_option_in_its_verbs_help(capsys):
    groups = [line for line in usage().splitlines() if line.endswith(":") and line[0] != " "]
    assert len(groups) == len(set(groups)) == len({verb.group for verb in verbs().values()}) >= 5
    for verb in BUILT_IN:
        main(["help", verb.name])
        helped = capsys.readouterr().out
        flags = [flag for each in verb.options for flag in each.flags if flag.startswith("-")]
        assert all(flag in helped for flag in flags)


def test_the_version_names_the_commit(capsys):
    assert main(["--version"]) == 0
    assert __version__ in (shown := capsys.readouterr().out) and "commit" in shown


def test_data_alone_says_what_its_actions_do(capsys):
    assert main(["data"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {action} " in shown for action in ("status", "prepare", "audit", "sources"))


@pytest.mark.parametrize("words", [["--help"], ["help", "table1"], ["table1", "--help"], ["help"]])
def test_help_needs_no_installation(words, capsys):
    """`-S` leaves only the standard library: neither PyYAML nor rich."""
    call = [sys.executable, "-S", "-m", "benchmarks", *words]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    check = [sys.executable, "-S", "-c", "import yaml"]
    assert subprocess.run(check, capture_output=True).returncode, "-S must hide the packages"
    with suppress(SystemExit):
        main(words)
    assert done.stdout == capsys.readouterr().out, "the same words with and without"


def test_the_help_without_pyyaml_knows_the_tables():
    titles = {name: suite.title for name, suite in load_config().suites.items()}
    assert titles == COMMITTED_TABLES, "verbs.py names the tables of suites.yaml for the help"


def test_a_shell_completes_verbs_options_and_names(capsys, tmp_path):
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    (function,) = set(
        re.findall(r"complete .*-F (\S+) reproduce.sh", (tmp_path / "script").read_text())
    )

    def completed(*words: str) -> list[str]:
        typed = " ".join(shlex.quote(word) for word in ("./reproduce.sh", *words))
        lines = [
            f"source {tmp_path / 'script'}",
            f"COMP_WORDS=({typed}); COMP_CWORD={len(words)}; COMPREPLY=()",
            function,
            "printf '%s\\n' \"${COMPREPLY[@]}\"",
        ]
        code = "\n".join(lines)
        return subprocess.run(["bash", "-c", code], capture_output=True, text=True).stdout.split()

    assert completed("comp") == ["compare", "completion"]
    assert completed("table1", "--meth") == ["--methods"]
    assert set(completed("table1", "--methods", "ms")) >= {"msam", "mses"}
    assert completed("data", "prep") == ["prepare"]
    assert completed("compare", "--profile", "qui") == ["quick"]


def test_every_shell_has_a_script(capsys):
    for shell in ("zsh", "tcsh"):
        assert main(["completion", shell]) == 0
        assert "reproduce.sh" in capsys.readouterr().out


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
        ["list", "msam"],
        ["list", "avmnist"],
        ["help", "compare"],
        ["--version"],
        ["status"],
        ["data"],
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
