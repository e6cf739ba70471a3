"""Kept weights, and the verb that measures them: each result once, settings never mixed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.records.folders import Folders
from benchmarks.records.record import RunRecord
from benchmarks.records.status import pending
from benchmarks.studies.sharpness.probe import Prober, fixed_rows
from benchmarks.studies.sharpness.sharpness_files import Curvature, CurvatureSettings
from benchmarks.training import epoch
from benchmarks.training.checkpoint import load_weights, save_weights
from benchmarks.training.context import Reporter, RunSettings
from benchmarks.training.evaluate import evaluate
from benchmarks.training.run import run, training_part
from benchmarks.training.state import Training
from tests.tiny import tiny_model

KEEP = RunSettings(keep_weights=True)

TINY = ["--set", "epochs=1", "--set", "train_samples=192"]
FEW = ["--samples", "40", "--probes", "2", "--grid", "3"]


def train(out, method, *more):
    words = ["run", "--dataset", "avmnist", "--method", method, "--profile", "demo", *TINY]
    return main([*words, "--out", str(out), *more])


def measure(out, *more):
    words = ["sharpness", "--dataset", "avmnist", "--profile", "demo", *FEW, "--out", str(out)]
    return main([*words, *more])


def result(out, folder):
    """The contents of every result file, by name."""
    return {path.name: path.read_bytes() for path in (out / folder).glob("*-*")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data_dir):
    """Two methods with kept weights, measured, and one without; read only."""
    out = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSAM_DATA_DIR", str(data_dir))
        for method, keep in (("msam", True), ("sam", True), ("joint_train", False)):
            assert train(out, method, *["--keep-weights"] * keep) == 0
        assert measure(out, "--methods", "msam", "sam") == 0
    return out


@pytest.fixture
def out(trained, tmp_path):
    """A copy of these results to write into."""
    for path in trained.rglob("*.*"):
        copy = tmp_path / path.relative_to(trained)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return tmp_path


def test_keeping_weights_changes_nothing_in_the_record(
    experiment, dataset, cpu, tmp_path, monkeypatch, context
):
    folders = {keep: Folders(tmp_path / str(keep)) for keep in (False, True)}
    what = experiment(train_samples=192)
    contents = []
    for keep, place in folders.items():
        run(what, dataset, replace(context, folders=place, settings=RunSettings(keep_weights=keep)))
        content = json.loads(place.record(what.run_id).read_text())
        del content["timing"], content["sha256"]
        contents.append(content)
    assert contents[0] == contents[1]
    assert not (tmp_path / "False" / "weights").exists()
    model = Training.start(what, dataset.spec, cpu).method.model
    load_weights(folders[True].weights(what.run_id), model)
    assert evaluate(model, dataset.test).metrics == contents[0]["history"][-1]["test"]


def test_a_run_that_diverged_keeps_no_weights(experiment, dataset, folders, monkeypatch, context):
    def diverging(metrics, where):
        raise epoch.Diverged(where)

    monkeypatch.setattr(epoch, "refuse_non_finite", diverging)
    assert run(experiment(), dataset, replace(context, settings=KEEP)).status == "diverged"
    assert not list(folders.root.glob("weights/*"))
    assert pending([experiment()], folders, keep_weights=True) == []


def test_a_done_run_without_weights_is_trained_again_only_to_keep_them(
    experiment, dataset, folders, context
):
    what = experiment(train_samples=192, epochs=1)
    first = run(what, dataset, context)
    assert pending([what], folders) == []
    assert pending([what], folders, keep_weights=True) == [what]
    assert run(what, dataset, replace(context, settings=KEEP)).history == first.history
    assert pending([what], folders, keep_weights=True) == []


def test_weights_of_another_model_and_damaged_ones_are_refused(tmp_path):
    path = tmp_path / "weights.pt"
    save_weights(path, tiny_model(count=3))
    with pytest.raises(ValueError, match=f"{path} does not hold the weights of this model"):
        load_weights(path, tiny_model(count=2))
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        load_weights(path, tiny_model(count=3))


def test_a_run_without_weights_is_named_with_what_to_type(trained, capsys):
    assert measure(trained, "--methods", "joint_train") == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert "avmnist-late-joint_train-s0" in line and "not kept" in line
    assert "--keep-weights" in line and "./reproduce.sh table1 --profile demo" in line


def test_what_to_type_for_a_run_of_the_published_protocol_trains_that_run(tmp_path, capsys):
    place = ["--profile", "demo", "--out", str(tmp_path)]
    words = ["run", "--dataset", "avmnist", "--method", "sam", *TINY, "--protocol", "published"]
    assert main([*words, *place]) == 0
    capsys.readouterr()
    assert main(["sharpness", "--dataset", "avmnist", *place]) == 1
    hint = capsys.readouterr().out.partition("./reproduce.sh ")[2].split()
    assert hint[hint.index("--protocol") + 1] == "published"
    assert hint[hint.index("--out") + 1] == str(tmp_path)
    assert main([*hint, "--dry-run"]) == 0
    planned = capsys.readouterr().out
    assert "protocol" not in planned and "avmnist-late-sam-s0" in planned


def test_runs_are_measured_once_and_shown(out, capsys, monkeypatch):
    def forbidden(*_):
        raise AssertionError("it was measured before")

    first = {folder: result(out, folder) for folder in ("sharpness", "landscape")}
    assert [len(files) for files in first.values()] == [2, 2]
    monkeypatch.setattr("benchmarks.studies.sharpness.probe.measure_block", forbidden)
    monkeypatch.setattr("benchmarks.studies.sharpness.probe.fill_surface", forbidden)
    assert measure(out, "--methods", "msam", "sam") == 0
    text = capsys.readouterr().out
    for block in ("model", "encoder_audio", "encoder_visual", "head_audio", "head_visual"):
        assert text.count(f"| {block} ") == 2
    assert first == {folder: result(out, folder) for folder in ("sharpness", "landscape")}
    assert len((out / "tables" / "sharpness.csv").read_text().splitlines()) == 1 + 2 * 5
    assert len(list((out / "figures").glob("loss_surface_avmnist_late_*.png"))) == 1


def test_other_settings_lie_beside_the_first(out):
    assert measure(out, "--methods", "msam", "--rho", "0.1", "--span", "0.5") == 0
    found = [Curvature.load(path) for path in (out / "sharpness").glob("*-msam-*.json")]
    low, high = sorted(found, key=lambda c: c.settings.rho)
    assert [low.settings.rho, high.settings.rho] == [0.05, 0.1]
    for block in low.blocks:
        assert low.blocks[block].eigenvalue == high.blocks[block].eigenvalue
        assert low.blocks[block].sharpness < high.blocks[block].sharpness
    assert len(result(out, "landscape")) == 3
    rows = (out / "tables" / "sharpness.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 * 5
    assert len(list((out / "figures").glob("*.pdf"))) == 2


def loss_of(out, split, samples):
    """The first run and its loss as the verb measures it."""
    prober = Prober(Folders(out), torch.device("cpu"), Reporter(print, lambda rows, title: rows))
    record = RunRecord.load(min((out / "runs").glob("*-msam-*.json")))
    return record, prober.loss(record, CurvatureSettings(split=split, samples=samples))


def test_the_loss_is_that_of_the_last_epoch(trained, dataset):
    record, loss = loss_of(trained, "test", 10**6)
    expected = record.history[-1]["test"]
    assert len(loss.split) == len(dataset.test)
    assert loss.value() == (pytest.approx(expected["loss_mm"], rel=1e-6), expected["acc_mm"])


def test_training_rows_are_rows_that_the_run_trained_on(trained, dataset):
    record, loss = loss_of(trained, "train", 10**6)
    part = training_part(dataset.train, record.experiment)
    assert len(loss.split) == 192
    assert torch.equal(loss.split.labels.sort().values, part.labels.sort().values)
    images = [s.batch(torch.arange(192))[0]["visual"].flatten(1).sum(1) for s in (loss.split, part)]
    assert torch.equal(images[0].sort().values, images[1].sort().values)


def test_the_rows_are_fixed_and_distinct(dataset):
    first, again = (fixed_rows(dataset.train, 50) for _ in range(2))
    assert torch.equal(first.labels, again.labels) and len(first) == 50
    index = torch.arange(50)
    images = first.batch(index)[0]["visual"].flatten(1)
    assert torch.equal(images, again.batch(index)[0]["visual"].flatten(1))
    assert len(fixed_rows(dataset.train, 10**6)) == len(dataset.train)
    assert set(first.labels.tolist()) == set(range(10)), "not only the first rows"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--methods", "msma"], "'msam'"),
        (["--fusion", "lat"], "'late'"),
        (["--fusion", "early"], "table2"),
        (["--split", "tests"], "'test'"),
        (["--samples", "0"], "at least 1"),
        (["--grid", "20"], "odd"),
        (["--grid", "1"], "at least 3"),
        (["--span", "0"], "span"),
        (["--probes", "1"], "at least 2"),
        (["--rho", "-1"], "at least 0"),
    ],
)
def test_a_wrong_word_is_named(trained, capsys, words, named):
    assert measure(trained, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and named in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"rows": 40', '"rows": 0'),
        ('"rho": 0.05', '"rho": 0.06'),
        ('"schema": 1', '"schema": 2'),
        ('"converged": true', '"converged": "yes"'),
        ('"loss": ', '"loss": "'),
        ('"probes": 2', '"prob": 2'),
        ("{", "["),
    ],
)
def test_a_damaged_result_is_refused_by_name(out, old, new):
    (path,) = (out / "sharpness").glob("*-msam-*.json")
    whole = path.read_text()
    assert old in whole
    path.write_text(whole.replace(old, new, 1))
    with pytest.raises(ValueError, match=f"{path} .*readable curvature"):
        Curvature.load(path)


@pytest.mark.parametrize(
    ("pattern", "old", "new", "what"),
    [
        ("sharpness/*-msam-*.json", '"rows": 40', '"rows": 0', "curvature"),
        ("landscape/*-msam-*.csv", "0.0,0.0,", "0.5,0.0,", "loss surface"),
    ],
)
def test_a_damaged_result_is_named_set_aside_and_measured_again(
    out, capsys, pattern, old, new, what
):
    (path,) = out.glob(pattern)
    whole = path.read_text()
    path.write_text(whole.replace(old, new, 1))
    capsys.readouterr()
    assert measure(out, "--methods", "msam") == 0
    said = capsys.readouterr().out
    assert f"{path} is not a readable {what}" in said and f"now {path.name}.damaged" in said
    assert path.read_text() == whole
    assert path.with_name(f"{path.name}.damaged").read_text() == whole.replace(old, new, 1)


def test_damaged_weights_stop_no_other_run(out, capsys):
    for path in (*out.glob("sharpness/*-msam-*"), *out.glob("weights/*-msam-*")):
        path.write_bytes(path.read_bytes()[:-9] if path.suffix == ".pt" else b"")
    assert measure(out, "--methods", "msam", "sam") == 1
    said = capsys.readouterr().out
    assert "avmnist-late-msam-s0" in said and "not measured" in said and "is damaged" in said
    assert said.count("| model ") == 1, "the other run is shown"


@pytest.mark.parametrize("verb", ["report", "figures", "sharpness"])
def test_damaged_results_of_one_run_are_left_out_of_a_report_by_name(out, capsys, verb):
    """Those of `sam`, while `sharpness` is asked for the other one."""
    damaged = [*out.glob("sharpness/*-sam-*.json"), *out.glob("landscape/*-sam-*.csv")]
    assert len(damaged) == 2
    for path in damaged:
        path.write_bytes(path.read_bytes()[:90])
    if verb == "sharpness":
        assert measure(out, "--methods", "msam") == 0
    else:
        assert main([verb, "--profile", "demo", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    for path in damaged[verb == "figures" :]:
        assert f"left out: {path} is not a readable" in said
    assert "loss_surface_avmnist_late" in said
    if verb != "figures":
        rows = (out / "tables" / "sharpness.csv").read_text().splitlines()
        assert len(rows) == 1 + 5, "of the run that is left"
