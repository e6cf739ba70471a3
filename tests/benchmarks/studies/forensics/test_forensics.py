"""The forensics of AV-MNIST: which runs it plans, and what its table says."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import pytest

from benchmarks.__main__ import main
from benchmarks.configs.load import load_config
from benchmarks.plan import workspace
from benchmarks.records.files import csv_text
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.report.figures.style import typography
from benchmarks.report.figures.write import write_figures
from benchmarks.studies.forensics import cases
from benchmarks.studies.forensics.forensics_figure import forensics_figure


@pytest.fixture
def config(monkeypatch):
    """The shipped configuration, but on stand-in data."""
    shipped = load_config()
    pilot = replace(shipped.profiles[cases.PROFILE], stand_in=True)
    return replace(shipped, profiles={**shipped.profiles, cases.PROFILE: pilot})


def record(experiment, **accuracies):
    test = {f"acc_{name}": value for name, value in accuracies.items()}
    epoch = {"epoch": 1, "lr": 0.1, "train": {}, "val": {"acc_mm": 0.5}, "test": test}
    return RunRecord(experiment.run_id, experiment, "done", history=(epoch,))


def records_of(config, case, seed=0, offset=0.0):
    """The three runs of a case; accuracies are higher by `offset`."""
    runs = cases.experiments(config, case, seed)
    return [
        record(runs["audio"], mm=0.4 + offset, audio=0.0),
        record(runs["visual"], mm=0.6 + offset, visual=0.0),
        record(runs["joint"], mm=0.7 + offset, audio=0.2, visual=0.5),
    ]


def test_rows_share_the_runs_of_what_they_do_not_change(config):
    made = {case: cases.experiments(config, case, 0) for case in cases.CASES}
    assert len({e.run_id for runs in made.values() for e in runs.values()}) == 18
    by_name = {(c.components, c.pairing): runs for c, runs in made.items()}
    scrambled, aligned = by_name[4, "scrambled"], by_name[4, "aligned"]
    assert scrambled["visual"].run_id == aligned["visual"].run_id
    assert scrambled["audio"].run_id == by_name[3, "scrambled"]["audio"].run_id
    assert scrambled["audio"].run_id != aligned["audio"].run_id
    assert scrambled["visual"].run_id != by_name[3, "scrambled"]["visual"].run_id


def test_a_row_holds_the_last_epochs_test_accuracies_averaged_over_seeds(config):
    case = cases.Case("scrambled", 4)
    records = [r for seed in (0, 1) for r in records_of(config, case, seed, seed / 10)]
    shares = {c.pairing: (0.35, 0.41) for c in cases.CASES}
    table = cases.rows(config, records, shares, seeds=2)
    found = next(row for row in table if row.case == "4 components, scrambled")
    assert found.values == pytest.approx((45, 65, 20, 50, 75))
    assert (found.in_place, found.same_label) == pytest.approx((35, 41))
    assert set(found.run_ids) == {r.run_id for r in records}
    assert (found.seeds, table[0].seeds) == (2, 0)
    records[-1] = replace(records[-1], status="failed")
    again = cases.rows(config, records, shares, seeds=3)
    assert [row.seeds for row in again if row.case == found.case] == [1]
    missing = next(row for row in table if row.case == "3 components, aligned")
    assert all(math.isnan(value) for value in missing.values)
    assert table[-1].values == (39.61, 65.14, 14.59, 62.85, 68.41)


def test_the_file_and_the_text_hold_the_same_numbers(config):
    shares = {c.pairing: (0.5, 0.25) for c in cases.CASES}
    table = cases.rows(config, [], shares, seeds=1)
    lines = list(csv.DictReader(io.StringIO(csv_text(cases.csv_lines(table)))))
    assert len(lines) == len(cases.CASES) + 1
    assert lines[0]["in_place"] == "50.00"
    assert lines[0]["joint_fused"] == ""
    assert lines[-1]["joint_fused"] == "68.41"
    assert "| 68.41 |" in " ".join(cases.markdown(table).split())


def test_the_shares_of_the_prepared_data(config):
    found = cases.shares(config)
    assert found["aligned"] == (1.0, 1.0)
    assert 0.2 < found["scrambled"][0] < 0.6
    assert found["scrambled_1"][0] > found["scrambled"][0] > found["scrambled_20"][0]


def test_data_that_is_not_prepared_says_what_to_type(capsys, tmp_path):
    assert not workspace.prepared_folder("avmnist", stand_in=False).exists()
    assert main(["forensics", "--out", str(tmp_path)]) == 2
    assert "type ./reproduce.sh data prepare avmnist" in capsys.readouterr().err


def test_without_the_data_the_table_is_made_from_records_and_shares(config, tmp_path, capsys):
    """On the real data's name, with records of whatever fingerprint."""
    real = load_config()
    case = cases.Case("scrambled", 4)
    stand_in = cases.experiments(config, case, 0)["audio"]
    data = {**stand_in.data, "stand_in": False, "fingerprint": "elsewhere"}
    made = record(replace(stand_in, data=data), mm=0.4, audio=0.0)
    made.save(tmp_path / "runs" / f"{made.run_id}.json")
    shares = {c.pairing: [0.5, 0.25] for c in cases.CASES}
    (tmp_path / "shares.json").write_text(json.dumps(shares))
    assert not cases.is_prepared(real)
    assert main(["forensics", "--out", str(tmp_path)]) == 0
    assert "the data is not prepared" in capsys.readouterr().out
    lines = list(csv.DictReader((tmp_path / "forensics.csv").open(newline="")))
    alone = {line["case"]: line["audio_alone"] for line in lines}
    assert alone["4 components, scrambled"] == "40.00"
    assert alone["4 components, aligned"] == ""
    assert {line["in_place"] for line in lines[:-1]} == {"50.00"}


@pytest.fixture
def folder(config, tmp_path):
    """Records of one row's runs and the shares, without the data; an older table lies there."""
    for experiment in cases.experiments(config, cases.Case("scrambled", 4), 0).values():
        save_real(tmp_path, experiment, "print-a")
    shares = {c.pairing: [0.5, 0.25] for c in cases.CASES}
    (tmp_path / "shares.json").write_text(json.dumps(shares))
    (tmp_path / "forensics.csv").write_text("older")
    return tmp_path


def save_real(folder, experiment, fingerprint):
    """A record of this experiment on the real data's name; returns its path."""
    data = {**experiment.data, "stand_in": False, "fingerprint": fingerprint}
    made = record(replace(experiment, data=data), mm=0.4, audio=0.3, visual=0.2)
    path = folder / "runs" / f"{made.run_id}.json"
    made.save(path)
    return path


def refused(folder, capsys, *words):
    """The exit status and what was said; nothing was written."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    status = main(["forensics", "--out", str(folder), *words])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return status, "".join(capsys.readouterr())


def test_more_seeds_than_there_are_runs_are_not_claimed(folder):
    assert main(["forensics", "--out", str(folder), "--seeds", "3"]) == 0
    lines = list(csv.DictReader((folder / "forensics.csv").open(newline="")))
    seeds = {line["case"]: line["seeds"] for line in lines}
    assert seeds.pop("4 components, scrambled") == "1"
    assert set(seeds.values()) == {"0"}


@pytest.mark.parametrize("seeds", ["-1", "0"])
def test_no_seeds_are_refused_before_anything_is_written(folder, capsys, seeds):
    status, told = refused(folder, capsys, "--seeds", seeds)
    assert status == 2 and f"--seeds is {seeds}; it must be at least 1" in told


def test_runs_of_one_cell_on_different_data_are_named(config, folder, capsys):
    first = next((folder / "runs").glob("*joint_train-audio-*"))
    audio = cases.experiments(config, cases.Case("scrambled", 4), 1)["audio"]
    second = save_real(folder, audio, "print-b")
    status, told = refused(folder, capsys, "--seeds", "2")
    assert status == 2
    assert f"{first.stem} (print-a), {second.stem} (print-b)" in told
    assert "joint_train-visual" not in told
    assert main(["forensics", "--out", str(folder)]) == 0  # seed 1 is not in this table


def test_a_lost_record_of_the_table_costs_no_table(folder, capsys):
    path = next((folder / "runs").glob("*joint_train-audio-*"))
    whole = path.read_text()
    path.write_text(whole[:-40])
    status, told = refused(folder, capsys)
    assert status == 1
    assert (
        f"left out: {path.name}: not a readable record" in told and "1 record of the table" in told
    )
    path.write_text(whole)
    other = path.with_name("avmnist-late-sam-s0-0123456789.json")
    other.write_text("{")
    assert main(["forensics", "--out", str(folder)]) == 0
    assert f"left out: {other.name}" in capsys.readouterr().out
    assert "40.00" in (folder / "forensics.csv").read_text()


def test_a_damaged_copy_of_what_is_there_is_no_loss(config):
    planned = cases.experiments(config, cases.Case("scrambled", 4), 0).values()
    found = [record(experiment, mm=0.4) for experiment in planned]
    copies = [LeftOut(f"{made.run_id}_copy", "damaged") for made in found]
    assert cases.lost(planned, found, copies) == []
    assert cases.lost(planned, found[1:], copies) == [copies[0].name]


def test_without_any_record_the_older_table_stays(folder, capsys):
    for path in (folder / "runs").iterdir():
        path.unlink()
    status, told = refused(folder, capsys)
    assert status == 1 and "there is no record of the table" in told


def test_rows_without_a_point_of_the_figure_make_a_table(config, folder):
    for path in (folder / "runs").iterdir():
        path.unlink()
    visual = cases.experiments(config, cases.Case("scrambled", 3), 0)["visual"]
    save_real(folder, visual, "print-a")
    assert main(["forensics", "--out", str(folder)]) == 0
    assert "40.00" in (folder / "forensics.csv").read_text()
    assert not (folder / "figures").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "JSON"),
        ("{}", "lacks two fractions from 0 to 1 for aligned, scrambled, scrambled_1, "),
        ("[]", "lacks two fractions"),
        ('{"aligned": [1, 1]}', "for scrambled, scrambled_1, scrambled_2"),
        ('{"aligned": [1]}', "for aligned, "),
        ('{"aligned": [1, "x"]}', "for aligned, "),
        ('{"aligned": [1, 35]}', "for aligned, "),
    ],
)
def test_shares_that_lack_something_are_named(folder, capsys, content, message):
    (folder / "shares.json").write_text(content)
    status, told = refused(folder, capsys)
    assert status == 2 and "shares.json" in told and message in told


def test_the_figure_shows_four_components_beside_the_papers_numbers(config, tmp_path):
    shares = {c.pairing: (0.5 if c.pairing == "scrambled" else 1.0, 0.6) for c in cases.CASES}
    shown = (cases.Case("aligned", 4), cases.Case("scrambled", 4))
    records = [r for case in shown for r in records_of(config, case)]
    figure = forensics_figure(cases.rows(config, records, shares, seeds=1))
    with typography():
        page = figure.paint(figure)
    entries = [text.get_text() for text in page.legends[0].get_texts()]
    assert entries == [*figure.rows, "paper, same colour"]
    assert page.get_tightbbox().x1 <= page.get_figwidth()
    paths = write_figures([figure], tmp_path).files
    assert [path.suffix for path in paths] == [".csv", ".pdf", ".png"]
    lines = list(csv.DictReader(paths[0].open(newline="")))
    fused = [line for line in lines if line["row"] == "joint fused"]
    assert [line["in_place"] for line in fused] == ["50.0000", "100.0000"]
    assert {line["accuracy"] for line in fused} == {"70.0000"}
    assert {line["paper"] for line in fused} == {"68.4100"}
