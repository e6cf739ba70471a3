"""The README's code does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language, containing):
    """The one code block of this language that contains the text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    found = [text for text in blocks if containing in text]
    assert len(found) == 1
    return found[0]


def test_the_library_example_trains_with_msam_alone():
    code = block("python", "modality_shares")
    code += "\nimport sys\nassert not {'baselines', 'benchmarks', 'datasets'} & set(sys.modules)\n"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert float(re.search(r"^loss ([0-9.]+), contributions", done.stdout).group(1)) < 1.0


def test_the_verbs_of_the_readme_are_those_of_the_help_in_its_order():
    from benchmarks.cli.verbs import verbs

    cells = re.search(r"^\| verb \| does \|\n\|---\|---\|\n((?:\|.*\n)+)", README, re.MULTILINE)
    first = [line.split("|")[1] for line in cells[1].splitlines()]
    assert [verb for cell in first for verb in re.findall(r"`([^`]+)`", cell)] == list(verbs())


def test_every_profile_has_a_line_in_the_readme():
    from benchmarks.configs.load import load_config

    assert all(f"--profile {name}" in README for name in load_config().profiles)


@pytest.mark.parametrize("words", re.findall(r"^\./reproduce\.sh ([^#\n]+)", README, re.MULTILINE))
def test_every_command_of_the_readme_is_understood(words):
    from benchmarks.cli.verbs import parse

    if words.split()[0] != "test":
        parse(words.split())
