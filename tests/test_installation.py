"""The two lists of requirements: what each verb needs is in the list that is installed for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from benchmarks.cli.verbs import requirements, verbs

ROOT = Path(__file__).parents[1]

# A call of every verb that needs the short list alone; `{out}` is a folder to write into.
READING = {
    "report": "--profile pilot --datasets avmnist --methods msam --out {out}",
    "figures": "--profile pilot --out {out}",
    "compare": "--profile pilot --datasets avmnist --methods msam --out {out}",
    "status": "--profile pilot",
    "merge": "results/pilot --profile pilot --out {out} --dry-run",
    "calibrate": "--columns 10 --out {out}",
    "forensics": "printed --out {out}",
    "data": "status",
    "list": "",
    "new-method": "sam",  # is refused: the method exists
    "help": "compare",
    "completion": "bash",
}

WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Others(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in {modules!r} else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Others
from benchmarks.__main__ import main
sys.exit(main({words!r}))
"""


def pinned(name: str) -> dict[str, str]:
    """{package: version} of a file, without the files that it includes."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def test_the_full_list_includes_the_short_one_and_repeats_nothing() -> None:
    assert "-r requirements-read.txt" in (ROOT / "requirements.txt").read_text(encoding="utf-8")
    short, rest = pinned("requirements-read.txt"), pinned("requirements.txt")
    assert short and "torch" in rest and not short.keys() & rest


def test_every_reading_verb_has_a_call_here() -> None:
    assert READING.keys() == {verb.name for verb in verbs().values() if verb.full is not True}


@pytest.mark.parametrize(
    ("verb", "rest_of_line"),
    [
        *READING.items(),
        ("table1", "--profile paper --dry-run"),
        ("run", "--dataset avmnst --method msam"),  # mistyped
        ("run", "--dataset avmnist --method msan --profile demo"),
        ("table1", "--profile demo --methods msma"),
        ("all", "--datasets avmnst --profile pilot"),
        ("all", "--profile plot"),
    ],
)
def test_a_reading_verb_runs_without_the_rest_of_the_full_list(
    verb: str, rest_of_line: str, tmp_path: Path
) -> None:
    words = [verb, *rest_of_line.format(out=tmp_path).split()]
    assert requirements(words) == "read"
    rest = pinned("requirements.txt")
    modules = [name for name, owners in packages_distributions().items() if rest.keys() & owners]
    assert "torch" in modules
    code = WITHOUT.format(modules=modules, words=words)
    environment = os.environ | {"MSAM_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ("table1 --profile demo", "all"),
        ("run --dataset avmnist --method msam", "all"),
        ("data prepare avmnist", "all"),
        ("data audit", "all"),
        ("data sources", "read"),
        ("data", "read"),
        ("forensics", "all"),
        ("table1 --profile demo --dry-run", "read"),
        ("run --help", "read"),
        ("tabel1", "read"),  # mistyped: only the message is needed
        ("run --dataset avmnist --method msam --sede 1", "read"),
        ("run --dataset avmnst --method msam", "read"),
        ("run --dataset avmnist --method msan", "read"),
        ("table1 --profile pilt", "read"),
        ("table1 --datasets avmnist cremda", "read"),
        ("all --methods msma", "read"),
        ("run --dataset avmnist --method msam --profile demo --dry-run", "all"),
    ],
)
def test_what_a_command_line_needs(words: str, needed: str) -> None:
    assert requirements(words.split()) == needed


def test_the_hooks_before_a_commit_use_the_ruff_of_the_suite() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (ruff,) = [repo for repo in hooks["repos"] if repo["repo"].endswith("/ruff-pre-commit")]
    assert ruff["rev"] == "v" + pinned("requirements.txt")["ruff"]
    assert [hook["id"] for hook in ruff["hooks"]] == ["ruff-check", "ruff-format"]


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.rstrip().splitlines()[-1] == "./reproduce.sh test"
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    oldest = re.search(r'requires-python = ">=(.+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert oldest and job["strategy"]["matrix"]["python"][0] == oldest[1]
