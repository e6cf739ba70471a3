"""What is committed under results/ is sound, small, and follows from its records alone."""

import shutil

import pytest

from benchmarks.__main__ import main
from benchmarks.configs.load import load_config
from benchmarks.plan.suites import DataState
from benchmarks.records.folders import Folders
from benchmarks.records.record import RunRecord, is_sealed, load_records
from benchmarks.records.status import statuses
from benchmarks.studies.tuning.chosen import chosen_text
from benchmarks.studies.tuning.grid import searches
from benchmarks.studies.tuning.outcomes import outcomes
from tests.committed import RESULTS, files

RECORDS = [path for path in files() if path.parent.name == "runs"]
FOLDERS = sorted({path.parents[1].name for path in RECORDS})
WITHOUT_TABLES = ("pilot_avx2",)  # runs of `pilot` on another processor, for docs/evidence.md
TUNED = [name for name in FOLDERS if (RESULTS / name / "choices.yaml").exists()]
KEPT = (
    "runs",
    "predictions",
    "logits",
    "sharpness",
    "landscape",
    "shares.json",
)  # measured, not derived
LIMIT_BYTES = 40e6


def test_the_results_are_small():
    assert sum(path.stat().st_size for path in files()) <= LIMIT_BYTES


def test_every_record_is_whole_and_names_its_hardware():
    assert RECORDS
    for path in RECORDS:
        assert is_sealed(path.read_bytes()), path
        assert RunRecord.load(path).environment["device"], path


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_every_record_is_a_run_that_ended(path):
    run = RunRecord.load(path).experiment
    (status,) = statuses([run], Folders(path.parents[1])).values()
    assert status.state in ("done", "unsupported"), status


def derived(folder, paths):
    """{name in the folder: content} of the tables among the files."""
    tables = [path for path in paths if path.suffix in (".csv", ".md", ".tex")]
    kept = [path for path in tables if path.relative_to(folder).parts[0] not in KEPT]
    return {path.relative_to(folder): path.read_bytes() for path in kept}


@pytest.mark.parametrize(
    "folder", [name for name in FOLDERS if name not in (*TUNED, *WITHOUT_TABLES)]
)
def test_the_tables_follow_from_the_records_alone(folder, tmp_path, monkeypatch, capsys):
    """If this fails: regenerate them with `MSAM_DATA_DIR=$(mktemp -d) ./reproduce.sh report
    --profile FOLDER`, or `./reproduce.sh forensics`, and look at what changed."""
    monkeypatch.setenv("MSAM_DATA_DIR", str(tmp_path / "no data"))
    committed = [path for path in files() if path.is_relative_to(RESULTS / folder)]
    again = tmp_path / folder
    for path in committed:
        place = again / path.relative_to(RESULTS / folder)
        if place.relative_to(again).parts[0] in KEPT:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    verb = ["forensics"] if folder == "forensics" else ["report", "--profile", folder]
    assert main([*verb, "--out", str(again)]) == 0
    tables = derived(RESULTS / folder, committed)
    made = derived(again, again.rglob("*"))
    assert made.keys() == tables.keys()
    for name, content in tables.items():
        assert made[name] == content, name


@pytest.mark.parametrize("folder", TUNED)
def test_the_choices_follow_from_the_records_alone(folder):
    config, (records, _) = load_config(), load_records(RESULTS / folder / "runs")
    states = {name: DataState(None, "data missing") for name in config.datasets}
    for record in records:
        states[record.experiment.dataset] = DataState(record.data["fingerprint"])
    found = outcomes(searches(config, config.profiles[folder], states), records)
    chosen = [outcome.chosen_value for outcome in found if outcome.chosen_value]
    text = (RESULTS / folder / "choices.yaml").read_text(encoding="utf-8")
    assert chosen_text(chosen, folder, stand_in=False) == text
