"""The code and the commands of README, REPRODUCE and the library's page do what they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README, REPRODUCE, VERBS, LIBRARY = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "REPRODUCE.md", "docs/verbs.md", "msam/README.md")
)
TYPED = re.compile(r"^\./reproduce\.sh ([^#\n]+)|`\./reproduce\.sh ([^`\[]+)`", re.MULTILINE)


def block(document, language, containing):
    """The one code block of this language that contains the text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    found = [text for text in blocks if containing in text]
    assert len(found) == 1
    return found[0]


def test_the_library_example_trains_with_msam_alone():
    code = block(LIBRARY, "python", "modality_shares")
    code += "\nimport sys\nassert not {'baselines', 'benchmarks', 'datasets'} & set(sys.modules)\n"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert float(re.search(r"^loss ([0-9.]+), contributions", done.stdout).group(1)) < 1.0


def test_the_readme_shows_the_lines_of_the_library():
    assert block(README, "diff", "sharpened") == block(LIBRARY, "diff", "sharpened")


def test_the_verbs_of_the_documents_are_those_of_the_help_in_its_order():
    from benchmarks.cli.verbs import verbs

    cells = re.search(r"^\| verb \| does \|\n\|---\|---\|\n((?:\|.*\n)+)", VERBS, re.MULTILINE)
    first = [line.split("|")[1] for line in cells[1].splitlines()]
    assert [verb for cell in first for verb in re.findall(r"`([^`]+)`", cell)] == list(verbs())


def test_every_profile_has_a_line_in_the_documents():
    from benchmarks.configs.load import load_config

    assert all(f"`--profile {name}`" in VERBS for name in load_config().profiles)


@pytest.mark.parametrize("words", ["".join(two) for two in TYPED.findall(README + REPRODUCE)])
def test_every_command_is_understood(words):
    from benchmarks.cli.verbs import parse

    if words.split()[0] not in ("test", "--help"):
        parse(words.split())
