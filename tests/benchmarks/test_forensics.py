"""The forensics of AV-MNIST: which runs it plans, and what its table says."""

import csv
import io
import json
import math
from dataclasses import replace

import pytest

from benchmarks import forensics, workspace
from benchmarks.__main__ import main
from benchmarks.config import load_config
from benchmarks.record import RunRecord
from benchmarks.report.figures.forensics import forensics_figure
from benchmarks.report.figures.layout import typography
from benchmarks.report.tables import csv_text


@pytest.fixture
def config(monkeypatch):
    """The shipped configuration, but on stand-in data."""
    shipped = load_config()
    pilot = replace(shipped.profiles[forensics.PROFILE], stand_in=True)
    return replace(shipped, profiles={**shipped.profiles, forensics.PROFILE: pilot})


def record(experiment, **accuracies):
    test = {f"acc_{name}": value for name, value in accuracies.items()}
    epoch = {"epoch": 1, "lr": 0.1, "train": {}, "val": {"acc_mm": 0.5}, "test": test}
    return RunRecord(experiment.run_id, experiment, "done", history=(epoch,))


def test_rows_share_the_runs_of_what_they_do_not_change(config):
    made = {case: forensics.experiments(config, case, 0) for case in forensics.CASES}
    assert len({e.run_id for runs in made.values() for e in runs.values()}) == 18
    by_name = {(c.components, c.pairing): runs for c, runs in made.items()}
    scrambled, aligned = by_name[4, "scrambled"], by_name[4, "aligned"]
    assert scrambled["visual"].run_id == aligned["visual"].run_id
    assert scrambled["audio"].run_id == by_name[3, "scrambled"]["audio"].run_id
    assert scrambled["audio"].run_id != aligned["audio"].run_id
    assert scrambled["visual"].run_id != by_name[3, "scrambled"]["visual"].run_id


def test_a_row_holds_the_last_epochs_test_accuracies_averaged_over_seeds(config):
    case = forensics.Case("scrambled", 4)
    records = []
    for seed, offset in enumerate((0.0, 0.1)):
        runs = forensics.experiments(config, case, seed)
        made = [
            record(runs["audio"], mm=0.4 + offset, audio=0.0),
            record(runs["visual"], mm=0.6 + offset, visual=0.0),
            record(runs["joint"], mm=0.7 + offset, audio=0.2, visual=0.5),
        ]
        records += made
    shares = {c.pairing: (0.35, 0.41) for c in forensics.CASES}
    table = forensics.rows(config, records, shares, seeds=2)
    found = next(row for row in table if row.case == "4 components, scrambled")
    assert found.values == pytest.approx((45, 65, 20, 50, 75))
    assert (found.in_place, found.same_label) == pytest.approx((35, 41))
    assert set(found.run_ids) == {r.run_id for r in records}
    missing = next(row for row in table if row.case == "3 components, aligned")
    assert all(math.isnan(value) for value in missing.values)
    assert table[-1].values == (39.61, 65.14, 14.59, 62.85, 68.41)


def test_the_file_and_the_text_hold_the_same_numbers(config):
    shares = {c.pairing: (0.5, 0.25) for c in forensics.CASES}
    table = forensics.rows(config, [], shares, seeds=1)
    lines = list(csv.DictReader(io.StringIO(csv_text(forensics.csv_lines(table)))))
    assert len(lines) == len(forensics.CASES) + 1
    assert lines[0]["in_place"] == "50.00"
    assert lines[0]["joint_fused"] == ""
    assert lines[-1]["joint_fused"] == "68.41"
    assert "| 68.41 |" in " ".join(forensics.markdown(table).split())


def test_the_shares_of_the_prepared_data(config):
    found = forensics.shares(config)
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
    case = forensics.Case("scrambled", 4)
    stand_in = forensics.experiments(config, case, 0)["audio"]
    data = {**stand_in.data, "stand_in": False, "fingerprint": "elsewhere"}
    made = record(replace(stand_in, data=data), mm=0.4, audio=0.0)
    made.save(tmp_path / "runs" / f"{made.run_id}.json")
    shares = {c.pairing: [0.5, 0.25] for c in forensics.CASES}
    (tmp_path / "shares.json").write_text(json.dumps(shares))
    assert not forensics.is_prepared(real)
    assert main(["forensics", "--out", str(tmp_path)]) == 0
    assert "the data is not prepared" in capsys.readouterr().out
    lines = list(csv.DictReader((tmp_path / "forensics.csv").open(newline="")))
    alone = {line["case"]: line["audio_alone"] for line in lines}
    assert alone["4 components, scrambled"] == "40.00"
    assert alone["4 components, aligned"] == ""
    assert {line["in_place"] for line in lines[:-1]} == {"50.00"}


def test_the_figure_shows_four_components_beside_the_papers_numbers(config, tmp_path):
    shares = {c.pairing: (0.5 if c.pairing == "scrambled" else 1.0, 0.6) for c in forensics.CASES}
    records = []
    for case in (forensics.Case("aligned", 4), forensics.Case("scrambled", 4)):
        runs = forensics.experiments(config, case, 0)
        made = [
            record(runs["audio"], mm=0.4, audio=0.0),
            record(runs["visual"], mm=0.6, visual=0.0),
            record(runs["joint"], mm=0.7, audio=0.2, visual=0.5),
        ]
        records += made
    figure = forensics_figure(forensics.rows(config, records, shares, seeds=1))
    with typography(figure.name):
        page = figure.paint(figure)
    entries = [text.get_text() for text in page.legends[0].get_texts()]
    assert entries == [*figure.rows, "paper, same colour"]
    assert page.get_tightbbox().x1 <= page.get_figwidth()
    paths = figure.write(tmp_path)
    assert [path.suffix for path in paths] == [".csv", ".pdf", ".png"]
    lines = list(csv.DictReader(paths[0].open(newline="")))
    fused = [line for line in lines if line["row"] == "joint fused"]
    assert [line["in_place"] for line in fused] == ["50.0000", "100.0000"]
    assert {line["accuracy"] for line in fused} == {"70.0000"}
    assert {line["paper"] for line in fused} == {"68.4100"}
