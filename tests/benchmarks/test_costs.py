"""The cost model: figures of `bench` in, hours, memory and disk out."""

import json
from dataclasses import replace

import pytest

from benchmarks.__main__ import main
from benchmarks.costs import (
    EPOCH_BYTES,
    RECORD_BYTES,
    Figures,
    Sizes,
    load_figures,
    plan_lines,
    prepared_sizes,
    reality_line,
    run_bytes,
    run_seconds,
)
from benchmarks.record import RunRecord

KEY = ("avmnist", "small_cnn", "late")
FIGURES = Figures(
    {(*KEY, "sam"): 0.02, (*KEY, "evaluation"): 0.005, (*KEY, "joint_train audio"): 0.01},
    {(*KEY, "sam"): 123.4},
    "Some CPU (1 threads)",
)
SIZES = Sizes(train=1000, evaluated=300, test=200)


@pytest.fixture
def sam(experiment):
    return experiment(method="sam", epochs=5, batch_size=64)


def row(method, seconds, **changes):
    fields = {"data": "avmnist", "encoder": "small_cnn", "fusion": "late", "batch": 64}
    return {**fields, "method": method, "seconds per step": seconds, **changes}


def write(folder, name, rows, device="A"):
    content = {"rows": rows, "environment": {"device": device, "threads": 2}}
    (folder / name).write_text(json.dumps(content))


def test_time_is_full_batches_and_evaluation_of_every_epoch(sam):
    assert run_seconds(sam, FIGURES, SIZES) == pytest.approx(5 * (960 * 0.02 + 300 * 0.005))


def test_a_row_of_one_modality_has_its_own_figure(sam):
    single = replace(sam, method="joint_train", modalities=("audio",), epochs=1)
    assert run_seconds(single, FIGURES, SIZES) == pytest.approx(960 * 0.01 + 1.5)


@pytest.mark.parametrize("change", [{"method": "agm"}, {"encoder": "x"}, {"fusion": "early"}])
def test_nothing_is_guessed_without_a_figure(sam, change):
    assert run_seconds(replace(sam, **change), FIGURES, SIZES) is None
    assert run_seconds(sam, FIGURES, None) is None


def test_disk_is_the_record_and_the_predictions_of_three_epochs(sam):
    pair = replace(sam, modalities=("audio", "visual"))
    predictions = 2 * 200 * (3 * 3 + 1)
    assert run_bytes(pair, SIZES) == RECORD_BYTES + 5 * EPOCH_BYTES + predictions


def test_a_plan_says_hours_memory_disk_and_machine(sam):
    unknown = replace(sam, method="agm")
    text = "\n".join(plan_lines([sam, replace(sam, seed=1), unknown], FIGURES, lambda e: SIZES))
    hours = 2 * 5 * (960 * 0.02 + 1.5) / 3600
    assert f"{hours:.2f} h for 2 runs" in text
    assert "1 runs: no figure" in text
    assert "123 MiB" in text and "Some CPU" in text and "MB" in text


def test_a_plan_without_figures_says_so(sam):
    text = "\n".join(plan_lines([sam], Figures(), lambda e: SIZES))
    assert "no figures" in text and "bench" in text and "disk" in text
    assert " h " not in text


def test_figures_are_read_from_every_file_of_steps(tmp_path):
    write(tmp_path, "steps.json", [row("sam", 6.4)])
    write(tmp_path, "steps_cremad.json", [row("sam", 4.0, data="cremad", batch=4)], "B")
    write(tmp_path, "memory.json", [{**row("sam", 0), "peak MiB": 10.0}])
    figures = load_figures(tmp_path)
    assert figures.seconds[(*KEY, "sam")] == pytest.approx(0.1)
    assert figures.seconds[("cremad", "small_cnn", "late", "sam")] == 1.0
    assert figures.memory[(*KEY, "sam")] == 10.0
    assert figures.machine == "A (2 threads) and B (2 threads)"
    assert load_figures(tmp_path / "none") == Figures()


@pytest.mark.parametrize("content", ["{", "[]", '{"rows": []}'])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "steps.json").write_text(content)
    with pytest.raises(ValueError, match=r"steps\.json.*measure again"):
        load_figures(tmp_path)


def test_sizes_are_those_of_the_loaded_data(experiment, dataset):
    sizes = prepared_sizes(experiment(train_samples=None))
    assert sizes.train == len(dataset.train)
    assert sizes.evaluated == len(dataset.val) + len(dataset.test)
    assert sizes.test == len(dataset.test)
    assert prepared_sizes(experiment(train_samples=100)).train == 100
    missing = experiment(data={"stand_in": False})
    assert prepared_sizes(missing) is None


def test_reality_is_compared_over_the_runs_that_have_both(sam):
    real = run_seconds(sam, FIGURES, SIZES) * 2
    done = RunRecord(sam.run_id, sam, "done", timing={"seconds": real})
    failed = RunRecord(sam.run_id, sam, "failed", timing={"seconds": 1e9})
    unknown = RunRecord("x", replace(sam, method="agm"), "done", timing={"seconds": 1e9})
    line = reality_line([done, failed, unknown], FIGURES, lambda e: SIZES)
    assert "1 run took" in line and "0.50 of it" in line and "Some CPU" in line
    assert reality_line([failed], FIGURES, lambda e: SIZES) is None


def test_a_dry_run_estimates_and_trains_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.costs.load_figures", lambda: FIGURES)
    words = ["--profile", "demo", "--datasets", "avmnist", "--methods", "sam", "--dry-run"]
    assert main(["table1", *words, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "for 3 runs" in out and "Some CPU" in out
    assert not list(tmp_path.rglob("*.json"))
