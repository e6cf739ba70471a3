"""README and REPRODUCE hold together: no placeholder, no dead reference, no missing option."""

import csv
import json
import re
from pathlib import Path

import pytest

from baselines import METHODS
from msam.parameters import hyperparameters

ROOT = Path(__file__).parents[1]
REPRODUCE = (ROOT / "REPRODUCE.md").read_text(encoding="utf-8")
PAPER = ["39.61", "65.14", "14.59", "62.85", "68.41"]
DOCUMENTS = ["README.md", "REPRODUCE.md", "CHANGELOG.md"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_placeholder_is_left(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"@@|TODO|TBD|FIXME", text)


def test_every_section_that_is_referred_to_exists():
    headings = set(re.findall(r"^#+ (.+)$", REPRODUCE, re.MULTILINE))
    referred = set(re.findall(r"see \*([^*]+)\*", REPRODUCE))
    assert referred
    assert referred <= headings


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_inside_the_repository_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


def test_every_option_of_msam_is_in_the_spec_ledger():
    for option in hyperparameters(METHODS["msam"]):
        assert f"`{option}=" in REPRODUCE, option


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_option_of_a_method_is_in_its_ledger(name):
    for option in hyperparameters(METHODS[name]):
        assert re.search(rf"`(?:[^`]*\b)?{option}\b", REPRODUCE), (name, option)


def accuracies(*records):
    """Every test accuracy of these records, as documents print it."""
    paths = [path for pattern in records for path in (ROOT / "results").glob(pattern)]
    assert paths
    epochs = [e for path in paths for e in json.loads(path.read_text())["history"]]
    return {f"{100 * v:.2f}" for e in epochs for k, v in e["test"].items() if k.startswith("acc_")}


def test_the_forensics_are_those_of_the_committed_records():
    folder = ROOT / "results" / "forensics"
    assert (folder / "forensics.md").read_text() in REPRODUCE
    lines = list(csv.DictReader((folder / "forensics.csv").open(newline="")))
    numbers = ("audio_alone", "visual_alone", "joint_audio", "joint_visual", "joint_fused")
    for line in lines[:-1]:
        measured = accuracies(*(f"forensics/runs/{run}.json" for run in line["run_ids"].split()))
        assert {line[number] for number in numbers} <= measured, line["case"]
        assert f"| {line['case']} " in REPRODUCE
    assert [lines[-1][number] for number in numbers] == PAPER


def test_the_quick_runs_are_those_of_the_committed_records():
    told = re.search(r"reach ([\d.]+) % fused,\s+([\d.]+) % audio and ([\d.]+) % visual", REPRODUCE)
    assert set(told.groups()) <= accuracies("quick/runs/avmnist-late-msam-s0-*.json")
