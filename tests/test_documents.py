"""The documents hold together: no placeholder, no dead reference, no missing option."""

import re
from pathlib import Path

import pytest

import msam
from baselines.registry import METHODS
from msam.parameters import hyperparameters

ROOT = Path(__file__).parents[1]
REPRODUCE = (ROOT / "REPRODUCE.md").read_text(encoding="utf-8")
DOCUMENTS = ["README.md", "REPRODUCE.md", "CHANGELOG.md", "AGENTS.md", "CONTRIBUTING.md"]
DOCUMENTS += [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_placeholder_is_left(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"@@|<<|>>|TODO|TBD|FIXME", text)


def test_every_section_that_is_referred_to_exists():
    headings = set(re.findall(r"^#+ (.+)$", REPRODUCE, re.MULTILINE))
    referred = set(re.findall(r"(?:see |: |\()\*([^*\s][^*]*)\*", " ".join(REPRODUCE.split())))
    assert referred
    assert referred <= headings


@pytest.mark.parametrize("name", ["README.md", "CITATION.cff"])
def test_the_version_is_that_of_the_package(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"State of this version \(`(.+?)`\)|^version: (.+)$", text, re.MULTILINE)
    assert ["".join(either) for either in found] == [msam.__version__]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_inside_the_repository_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)  # not in code
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert ((ROOT / name).parent / target).exists(), target


def test_every_option_of_msam_is_in_the_spec_ledger():
    for option in hyperparameters(METHODS["msam"]):
        assert f"`{option}=" in REPRODUCE, option


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_option_of_a_method_is_in_its_ledger(name):
    for option in hyperparameters(METHODS[name]):
        assert re.search(rf"`(?:[^`]*\b)?{option}\b", REPRODUCE), (name, option)
