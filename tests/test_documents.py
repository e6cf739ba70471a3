"""The documents hold together: no placeholder, no dead reference, no missing option."""

import re
from pathlib import Path

import pytest

import msam
from baselines.registry import METHODS
from msam.parameters import hyperparameters

ROOT = Path(__file__).parents[1]
LEDGER = (ROOT / "docs" / "spec-ledger.md").read_text(encoding="utf-8")
HIDDEN = {".venv", "data", "results", ".git"}
DOCUMENTS = [
    str(path.relative_to(ROOT))
    for path in sorted(ROOT.rglob("*.md"))
    if not HIDDEN & set(path.relative_to(ROOT).parts[:1])
]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_placeholder_is_left(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"@@|<<|>>|TODO|TBD|FIXME", text)


def headings(path):
    """The headings of a document, without code blocks."""
    return re.findall(r"^#+ (.+)$", without_code(path.read_text(encoding="utf-8")), re.MULTILINE)


def without_code(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchor(heading):
    """What GitHub makes of a heading: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_section_that_is_referred_to_exists(name):
    text = " ".join(without_code((ROOT / name).read_text(encoding="utf-8")).split())
    referred = set(re.findall(r"(?:see |: |\()\*([^*\s][^*]*)\*", text))
    assert referred <= set(headings(ROOT / name))


@pytest.mark.parametrize("name", ["README.md", "CITATION.cff"])
def test_the_version_is_that_of_the_package(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"State of this version \(`(.+?)`\)|^version: (.+)$", text, re.MULTILINE)
    assert ["".join(either) for either in found] == [msam.__version__]


def dead_links(name, text):
    """The links of a document that lead nowhere: to no file, or to no heading of one.

    `../../actions/workflows/FILE` is GitHub's page of the workflow FILE.
    """
    for target, part in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", without_code(text)):
        path = (ROOT / name).parent / target if target else ROOT / name
        if target.startswith("../../actions/workflows/"):
            workflow = target.removeprefix("../../actions/").removesuffix("/badge.svg")
            path = ROOT / ".github" / workflow
        if not path.exists():
            yield f"{name}: there is no {target}"
        elif part and part not in map(anchor, headings(path)):
            yield f"{name}: {target or name} has no heading for #{part}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_inside_the_repository_lead_somewhere(name):
    assert list(dead_links(name, (ROOT / name).read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("target", ["docs/none.md", "docs/data.md#none", "#none"])
def test_a_dead_link_is_seen(target):
    assert list(dead_links("README.md", f"[text]({target})"))
    assert not list(dead_links("README.md", "[text](docs/data.md#ur-funny), [text](#try-it)"))


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_every_document_is_in_the_list_of_contents(path):
    contents = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert path.name == "README.md" or f"({path.name})" in contents


@pytest.mark.parametrize(("name", "limit"), [("README.md", 6_000), ("REPRODUCE.md", 15_000)])
def test_the_first_documents_stay_short(name, limit):
    assert len((ROOT / name).read_text(encoding="utf-8")) < limit


def test_every_option_of_msam_is_in_the_spec_ledger():
    for option in hyperparameters(METHODS["msam"]):
        assert f"`{option}=" in LEDGER, option


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_option_of_a_method_is_in_its_ledger(name):
    for option in hyperparameters(METHODS[name]):
        assert re.search(rf"`(?:[^`]*\b)?{option}\b", LEDGER), (name, option)
