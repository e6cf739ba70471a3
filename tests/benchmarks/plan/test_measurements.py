"""How many samples a run trains on and evaluates, against what loading and evaluating give."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from benchmarks.configs.load import load_config
from benchmarks.models import build_model
from benchmarks.plan import measurements
from benchmarks.plan.cuda import Driver, Torch
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.measurements import (
    best_packing,
    gpu_tests_passed,
    prepared_counts,
    remember_gpu_tests,
)
from benchmarks.plan.workspace import ROOT
from benchmarks.training.evaluate import evaluate
from benchmarks.training.run import training_part
from datasets import registry
from datasets.errors import DataError
from datasets.registry import LOADERS, split_sizes
from datasets.store.manifest import FILE, read_manifest

CASES = [(name, p) for name in LOADERS for p in registry.protocols(name)]
CONFIG = load_config()


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A data folder with all stand-in data."""
    folder = tmp_path_factory.mktemp("everything")
    for name in LOADERS:
        registry.generate_stand_in(name, folder / "stand-in" / name)
    return folder


@pytest.fixture(autouse=True)
def seen(everything, workspace, monkeypatch):
    monkeypatch.setenv("MSAM_DATA_DIR", str(everything))


def trial(name, protocol, **changes):
    data = {**CONFIG.datasets[name].options, "protocol": protocol, "stand_in": True}
    encoder = CONFIG.datasets[name].encoders["small"]
    return replace(Experiment(name, "late", "joint_train", 0, 1, 64, encoder, data=data), **changes)


def loaded(everything, name, protocol):
    options = {**CONFIG.datasets[name].options, "protocol": protocol}
    return registry.load(name, everything / "stand-in" / name, options)


def encoded(model, splits):
    """Samples that go through each encoder when the splits are evaluated, and predictions."""
    counts = dict.fromkeys(model.modalities, 0)

    def counting(modality):
        def hook(module, inputs, output):
            counts[modality] += len(inputs[0])

        return hook

    for m, encoder in model.encoders.items():
        encoder.register_forward_hook(counting(m))
    for split in splits:
        predictions = evaluate(model, split).predictions["mm"]
    return counts, len(predictions)


def test_wrong_labels_change_no_size():
    clean, noisy = trial("avmnist", "validation"), trial("avmnist", "validation")
    noisy = replace(noisy, data={**noisy.data, "label_noise": 40})
    assert prepared_counts(noisy) == prepared_counts(clean)


@pytest.mark.parametrize(("name", "protocol"), CASES)
def test_sizes_are_those_of_the_data_as_loaded_and_evaluated(everything, name, protocol):
    data, experiment = loaded(everything, name, protocol), trial(name, protocol)
    sizes = prepared_counts(experiment)
    assert sizes.train == len(data.train)
    model = build_model(data.spec.shapes, data.spec.classes, "late", experiment.encoder)
    counts, predictions = encoded(model, [data.val, data.test])
    assert sizes.predictions == predictions
    assert list(sizes.evaluated) == list(counts)
    for m, count in counts.items():
        # Of the recordings that images share, a split may use fewer than there are.
        assert 0.9 * sizes.evaluated[m] <= count <= sizes.evaluated[m]
    exact = {m for m, count in counts.items() if count == sizes.evaluated[m]}
    assert exact >= {*counts} - ({"audio"} if name == "avmnist" else set())


def test_shared_recordings_are_encoded_once(everything):
    data = loaded(everything, "avmnist", "validation")
    rows = len(data.val) + len(data.test)
    evaluated = prepared_counts(trial("avmnist", "validation")).evaluated
    assert evaluated["audio"] < evaluated["visual"] == rows


@pytest.mark.parametrize("asked", [10, 100, 10_000])
def test_a_part_of_the_training_samples_is_counted_as_the_harness_takes_it(everything, asked):
    experiment = trial("cremad", "validation", train_samples=asked, batch_size=2)
    part = training_part(loaded(everything, "cremad", "validation").train, experiment)
    assert prepared_counts(experiment).train == len(part)


def test_a_single_row_evaluates_its_own_modality_only():
    sizes = prepared_counts(trial("urfunny", "validation", modalities=("text",)))
    assert list(sizes.evaluated) == ["text"]


@pytest.mark.parametrize("name", LOADERS)
def test_an_older_manifest_is_named_instead_of_guessed_from(everything, tmp_path, name):
    source = everything / "stand-in" / name
    manifest = read_manifest(source)
    older = replace(manifest, facts={}, arrays={})
    (tmp_path / FILE).write_text(older.to_json())
    with pytest.raises(DataError, match=r"does not say how many samples.*delete the folder"):
        split_sizes(name, tmp_path, {})
    (tmp_path / FILE).write_text(replace(older, stand_in=False).to_json())
    with pytest.raises(DataError, match=r"data prepare .* --force"):
        split_sizes(name, tmp_path, {})


def test_data_that_is_not_prepared_is_an_error(tmp_path):
    with pytest.raises(DataError, match="not prepared"):
        split_sizes("ave", tmp_path, {})


@pytest.mark.parametrize("name", LOADERS)
def test_bench_knows_the_shapes_of_stand_in_data(everything, name):
    spec = loaded(everything, name, "validation").spec
    assert registry.spec(name, stand_in=True) == spec


def test_counting_needs_no_torch(everything):
    code = (
        "import sys; from pathlib import Path; from datasets.registry import split_sizes\n"
        "from datasets.registry import LOADERS\n"
        "cases = [(n, p) for n, l in LOADERS.items() for p in l.options['protocol']]\n"
        "for n, p in cases: split_sizes(n, Path(sys.argv[1]) / n, {'protocol': p})\n"
        "sys.exit(', '.join({'torch', 'scipy', 'pandas'} & set(sys.modules)) or 0)"
    )
    command = [sys.executable, "-c", code, str(everything / "stand-in")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def gpu(monkeypatch):
    """A machine with one H100; called with another driver's release, that one."""

    def driver(release="580.65"):
        found = Driver((13, 0), release, {"0: H100": 80 * 2**30})
        monkeypatch.setattr(measurements, "cuda_driver", lambda: found)

    monkeypatch.setattr(measurements, "installed_torch", lambda ask: Torch("2.11.0", (13, 0)))
    driver()
    return driver


@pytest.mark.parametrize(
    ("device", "speeds", "best"),
    [
        ("H100", {1: 1.0, 2: 1.9, 4: 3.0, 8: 2.5}, 4),
        ("H100", {1: 1.0, 2: 1.9, 4: 1.95, 8: "not run"}, 2),
        ("Xeon", {1: 1.0, 2: 1.9}, None),
    ],
)
def test_the_fastest_number_of_runs_side_by_side_is_the_measured_one(
    device, speeds, best, gpu, tmp_path
):
    rows = [{"runs": n, "throughput over one run": speed} for n, speed in speeds.items()]
    content = {"rows": rows, "environment": {"device": device}}
    assert best_packing(tmp_path) is None
    (tmp_path / "packing.json").write_text(json.dumps(content))
    assert best_packing(tmp_path) == best


def test_a_broken_measurement_of_packing_is_named(gpu, tmp_path):
    (tmp_path / "packing.json").write_text("{}")
    with pytest.raises(ValueError, match="bench again"):
        best_packing(tmp_path)


def test_tests_that_passed_count_for_the_same_gpu_driver_and_torch(gpu, tmp_path, monkeypatch):
    assert not gpu_tests_passed(tmp_path)
    remember_gpu_tests(tmp_path)
    assert gpu_tests_passed(tmp_path)
    gpu("590.10")
    assert not gpu_tests_passed(tmp_path)
    gpu()
    monkeypatch.setattr(measurements, "cuda_driver", lambda: None)
    assert not gpu_tests_passed(tmp_path)
