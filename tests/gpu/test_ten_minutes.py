"""The visit to a GPU, without one: what it begins, what it leaves, what it brings back."""

from __future__ import annotations

import sys
import tarfile

import pytest

from benchmarks.bench.parts import PARTS
from benchmarks.cli.session import open_session
from benchmarks.cli.verbs import parse
from benchmarks.plan import measurements
from benchmarks.plan.costs import Estimate
from tests.gpu import ten_minutes
from tests.gpu.ten_minutes import ROOT, ROWS, SUITE, VISITS, Visit, pack_up, parts, train
from tests.nullcuda import device


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("MSAM_DATA_DIR", str(ROOT / "data"))
    words = ["table1", "--profile", "demo", "--out", str(tmp_path / "results")]
    opened = open_session(parse(words), lambda text: None)
    opened.prepare_stand_in([ten_minutes.DATASET])
    return opened


class FakeVisit(Visit):
    """A clock that only runs move on, each by the seconds of its method."""

    def __init__(self, seconds, takes, out):
        super().__init__(seconds, out)
        self.takes, self.clock, self.begun = takes, 0.0, []

    @property
    def left(self) -> float:
        return self.seconds - self.clock

    def call(self, name, words, limit):
        method = words[words.index("--method") + 1]
        self.begun.append(name)
        self.clock += self.takes(method)
        return 0


@pytest.fixture
def expected(monkeypatch):
    """Every run is expected to take 100 seconds, sam 1000."""
    monkeypatch.setattr(
        ten_minutes.costs,
        "estimates",
        lambda runs, figures: [Estimate(1000.0 if e.method == "sam" else 100.0) for e in runs],
    )


def test_only_runs_that_fit_are_begun_the_most_valuable_first(session, expected, tmp_path):
    visit = FakeVisit(420, lambda method: 120, tmp_path / "out")
    statuses = train(visit, session, 1, [])
    assert visit.begun == list(statuses)
    assert visit.begun == [
        *("run_late_joint_train_0", "run_late_msam_0"),
        "run_early_joint_train_0",  # the two of sam do not fit
    ]
    assert visit.left > 0


def test_a_run_without_figures_is_not_begun(session, monkeypatch, tmp_path):
    unknown = [Estimate(None, "no figure")]
    monkeypatch.setattr(ten_minutes.costs, "estimates", lambda runs, figures: unknown)
    assert train(FakeVisit(1e6, lambda method: 1, tmp_path / "out"), session, 1, []) == {}


def test_the_runs_of_a_visit_are_those_of_the_tables(session):
    planned = {
        experiment.run_id
        for table in ("table1", "table2")
        for cell in session.cells(table)
        for experiment in cell.experiments(1)
    }
    found = [experiment.run_id for _, _, experiment in ten_minutes._runs(session, 1)]
    assert len(found) == len(set(found)) == len(ROWS)
    assert set(found) <= planned


def test_a_command_over_its_time_may_save_its_state_first(tmp_path):
    code = (
        "import pathlib, signal, sys, time\n"
        "def save(*_):\n    pathlib.Path(sys.argv[1]).touch(); sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    visit = Visit(60, tmp_path)
    assert visit.call("run", [sys.executable, "-c", code, str(tmp_path / "saved")], 5) == 124
    assert (tmp_path / "saved").exists()
    assert (tmp_path / "run.log").read_text() == "ready\n"


def test_every_part_of_a_visit_can_be_called():
    known = parts("cuda")
    assert {name for names in VISITS.values() for name in names} == set(known)
    for part in known.values():
        if list(part.words[:3]) == SUITE:
            arguments = parse(part.words[3:])
            assert set(getattr(arguments, "parts", [])) <= set(PARTS)
        else:
            assert (ROOT / part.words[-1]).is_dir()


@pytest.mark.parametrize("visit", VISITS)
def test_the_parts_of_a_visit_fit_into_it(visit):
    assert sum(parts("cuda")[name].seconds for name in VISITS[visit]) < 9.5 * 60


def test_the_archive_holds_what_merge_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(measurements, "OWN", tmp_path / "local")
    results = tmp_path / "short"
    for kind in ("runs", "predictions", "checkpoints", "leases"):
        (results / kind).mkdir(parents=True)
        (results / kind / "x").touch()
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "steps.json").touch()
    pack_up(tmp_path / "records.tgz", results)
    with tarfile.open(tmp_path / "records.tgz") as tar:
        files = {name for name in tar.getnames() if "." in name or name.endswith("/x")}
    kept = {f"short/{kind}/x" for kind in ("runs", "predictions", "checkpoints")}
    assert files == {*kept, "bench/steps.json"}


def test_a_visit_is_rehearsed_on_the_null_device(tmp_path):
    if reason := device.obstacle():
        pytest.skip(reason)
    folder = tmp_path / "device"
    folder.mkdir()
    words = ["--out", str(tmp_path), "--profile", "demo", "--minutes", "0.5", "--parts", "doctor"]
    done = device.run(
        device.build(folder), [sys.executable, "-m", "tests.gpu.ten_minutes", *words], 120
    )
    assert done.returncode == 0, done.stdout
    assert "Null CUDA device" in (tmp_path / "doctor.log").read_text()
    assert (tmp_path / "records.tgz").exists()
