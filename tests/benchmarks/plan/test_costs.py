"""The cost model: figures of `bench` in, hours, memory and disk out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks.__main__ import main
from benchmarks.bench.parts import PARTS
from benchmarks.cli.execute import MOST_LINES, cost_lines, run_lines
from benchmarks.configs.load import load_config
from benchmarks.plan.costs import (
    EPOCH_BYTES,
    RECORD_BYTES,
    Estimate,
    estimates,
    run_bytes,
    run_seconds,
)
from benchmarks.plan.measurements import COMMITTED, Figure, Figures, SampleCounts, load_figures
from benchmarks.plan.networks import networks, part_of
from benchmarks.plan.suites import DataState, plan_suite
from benchmarks.records.record import RunRecord
from benchmarks.records.status import Status
from benchmarks.report.compute import reality_line
from datasets.errors import DataError

KEY = ("avmnist", "small_cnn56", "late")
CPU = "Some CPU (1 threads, measured here)"
SECONDS = {"sam": 0.02, "joint_train audio": 0.01, "evaluation audio": 0.004}
FIGURES = Figures(
    {(*KEY, row): Figure(s, CPU) for row, s in (SECONDS | {"evaluation visual": 0.001}).items()},
    {(*KEY, "sam"): Figure(123.4, CPU)},
)
COUNTS = SampleCounts(
    train=1000, evaluated={"audio": 100, "visual": 300}, predictions=200, classes=10
)
EVALUATION = 100 * 0.004 + 300 * 0.001


@pytest.fixture
def sam(experiment):
    return experiment(method="sam", epochs=5, batch_size=64)


def row(method, seconds, **changes):
    fields = {"data": "avmnist", "encoder": "small_cnn56", "fusion": "late", "batch": 64}
    return {**fields, "method": method, "seconds per step": seconds, **changes}


def write(folder, name, rows, device="A"):
    content = {"rows": rows, "environment": {"device": device, "threads": 2}}
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def test_time_is_full_batches_and_evaluation_of_every_epoch(sam):
    found = run_seconds(sam, FIGURES, COUNTS)
    assert found.value == pytest.approx(5 * (960 * 0.02 + EVALUATION))
    assert found.source == CPU


def test_a_row_of_one_modality_has_its_own_figures(sam):
    single = replace(sam, method="joint_train", modalities=("audio",), epochs=1)
    sizes = replace(COUNTS, evaluated={"audio": 100})
    assert run_seconds(single, FIGURES, sizes).value == pytest.approx(960 * 0.01 + 0.4)


@pytest.mark.parametrize("change", [{"method": "agm"}, {"encoder": "x"}, {"fusion": "early"}])
def test_nothing_is_guessed_without_a_figure(sam, change):
    assert run_seconds(replace(sam, **change), FIGURES, COUNTS) is None
    assert estimates([replace(sam, **change)], FIGURES, lambda e: COUNTS)[0].seconds is None


def test_nothing_is_guessed_without_the_evaluation_of_a_modality(sam):
    lacking = {k: v for k, v in FIGURES.seconds.items() if k[-1] != "evaluation visual"}
    assert run_seconds(sam, Figures(lacking), COUNTS) is None


def test_what_has_no_figure_is_blamed(sam):
    stepless = Figures({k: v for k, v in FIGURES.seconds.items() if k[-1].startswith("eval")})
    evaluationless = Figures({k: v for k, v in FIGURES.seconds.items() if "eval" not in k[-1]})
    single = replace(sam, method="joint_train", modalities=("visual",))
    wanted = [
        (sam, stepless, "was timed without sam, which may not support it"),
        (single, FIGURES, "was timed without joint_train visual, which may not support it"),
        (sam, evaluationless, "was timed by an older version, without its evaluation"),
    ]
    for experiment, figures, said in wanted:
        (found,) = estimates([experiment], figures, lambda e: COUNTS)
        assert found.seconds is None
        assert f"small_cnn56 on avmnist {said}" in found.lacking
        assert "run ./reproduce.sh bench --parts steps" in found.lacking


@pytest.mark.parametrize("suite", ["table1", "table2"])
def test_the_committed_figures_give_hours_for_every_row_on_avmnist(suite, tmp_path):
    config, figures = load_config(), load_figures(tmp_path, COMMITTED)
    states = dict.fromkeys(config.datasets, DataState("a fingerprint"))
    plan = plan_suite(config, suite, config.profiles["paper"], states)
    cells = [cell for cell in plan if cell.dataset == "avmnist"]

    def counts_of(experiment):
        modalities = experiment.modalities or config.datasets["avmnist"].modalities
        return replace(COUNTS, evaluated=dict.fromkeys(modalities, 100))

    found = estimates([cell.template for cell in cells], figures, counts_of)
    lacking = {cell.row.label: e.lacking for cell, e in zip(cells, found, strict=True) if e.lacking}
    assert cells and not lacking
    assert all(e.seconds > 0 for e in found)


def test_disk_is_the_record_with_classes_of_three_epochs_and_logits_of_two(sam):
    classes, logits = 2 * 200 * (3 * 3 + 1), 2 * 200 * 2 * 3 * 10
    assert run_bytes(sam, COUNTS) == RECORD_BYTES + 5 * EPOCH_BYTES + classes + logits


def test_three_modalities_store_the_output_without_each_too(sam):
    counts = replace(COUNTS, evaluated=dict.fromkeys(("audio", "visual", "text"), 100))
    classes, logits = 2 * 200 * (3 * (4 + 3) + 1), 2 * 200 * 2 * 4 * 10
    assert run_bytes(sam, counts) == RECORD_BYTES + 5 * EPOCH_BYTES + classes + logits


def test_a_folder_is_read_once_for_all_methods_and_seeds(sam):
    read = []

    def counts_of(experiment):
        read.append(experiment)
        return COUNTS

    plan = [sam, replace(sam, seed=1), replace(sam, method="msam"), replace(sam, epochs=1)]
    plan.append(replace(sam, data={**sam.data, "protocol": "published"}))
    plan.append(replace(sam, train_samples=7))
    plan.append(replace(sam, modalities=("audio",)))
    estimates(plan, FIGURES, counts_of)
    assert read == [plan[0], *plan[4:]]


def test_a_plan_says_hours_memory_disk_and_machine(sam):
    plan = [sam, replace(sam, seed=1), replace(sam, method="agm")]
    text = "\n".join(cost_lines(estimates(plan, FIGURES, lambda e: COUNTS)))
    hours = 2 * 5 * (960 * 0.02 + EVALUATION) / 3600
    assert f"{hours:.2f} h for 2 runs" in text
    assert "time of 1 run: small_cnn56 on avmnist was timed without agm, which may not" in text
    assert "123 MiB a run at most (known for 2 of 3 runs)" in text
    assert f"figures of {CPU}" in text and "MB at most" in text


def test_a_plan_without_figures_names_the_part_that_gives_them(sam):
    sets = {"avmnist": "small_cnn56", "cremad": "resnet18", "urfunny": "transformer_masked"}
    plan = [replace(sam, dataset=d, encoder=e, data={}) for d, e in sets.items()]
    text = "\n".join(cost_lines(estimates(plan, Figures(), lambda e: COUNTS)))
    assert "no figure for resnet18 on cremad: run ./reproduce.sh bench --parts steps_cremad" in text
    assert "small_cnn56 on avmnist: run ./reproduce.sh bench --parts steps_small\n" in text
    assert "no part of bench times transformer_masked on urfunny" in text
    assert " h for" not in text and "figures of" not in text and "disk" in text


def test_a_plan_says_what_is_wrong_with_the_data(sam):
    def refuse(experiment):
        raise DataError("the manifest says nothing")

    found = estimates([sam, replace(sam, seed=1)], FIGURES, refuse)
    text = "\n".join(cost_lines(found))
    assert "time of 2 runs: the manifest says nothing" in text
    assert "disk: no figure" in text


def test_figures_of_an_older_version_are_named(sam, tmp_path):
    write(tmp_path / "committed", "steps_small.json", [{"method": "sam", "seconds per step": 1.0}])
    figures = load_figures(tmp_path / "own", tmp_path / "committed")
    assert figures == Figures(outdated=frozenset({"steps_small"}))
    text = "\n".join(cost_lines(estimates([sam], figures, lambda e: COUNTS)))
    assert "measured by an older version: run ./reproduce.sh bench --parts steps_small" in text
    write(tmp_path / "own", "steps_small.json", [row("sam", 6.4)])
    assert not load_figures(tmp_path / "own", tmp_path / "committed").outdated


def test_own_figures_come_before_the_published_ones(tmp_path):
    own, committed = tmp_path / "own", tmp_path / "committed"
    write(committed, "steps.json", [row("sam", 6.4)])
    write(committed, "steps_cremad.json", [row("sam", 4.0, data="cremad", batch=4)], "B")
    write(committed, "memory.json", [{**row("sam", 0), "peak MiB": 10.0}])
    figures = load_figures(own, committed)
    assert figures.seconds[(*KEY, "sam")].value == pytest.approx(0.1)
    assert figures.memory[(*KEY, "sam")].value == 10.0
    write(own, "steps.json", [row("sam", 12.8)], "C")
    figures = load_figures(own, committed)
    mine, theirs = "C (2 threads, measured here)", "B (2 threads, published with the code)"
    assert figures.seconds[(*KEY, "sam")] == Figure(0.2, mine)
    assert figures.seconds[("cremad", "small_cnn56", "late", "sam")] == Figure(1.0, theirs)
    assert load_figures(tmp_path / "no", tmp_path / "where") == Figures()


IDLE = row("sam", 1.0, batch=0)
BROKEN = ["{", "[]", '{"rows": []}', '{"rows": [1], "environment": 1}', "[" * 100_000]
BROKEN += [json.dumps({"rows": [IDLE], "environment": {"device": "A", "threads": 2}})]


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "steps.json").write_text(content)
    with pytest.raises(ValueError, match=r"steps\.json.*bench again"):
        load_figures(tmp_path, tmp_path / "none")


def test_every_network_of_the_tables_has_a_part(sam):
    """On real and on stand-in data, each is timed by a part that exists."""
    for kind, stand_in in (("paper", False), ("small", True)):
        for name, dataset in load_config().datasets.items():
            trial = replace(
                sam, dataset=name, encoder=dataset.encoders[kind], data={"stand_in": stand_in}
            )
            assert part_of(trial) in PARTS
            assert part_of(replace(trial, modalities=("audio",))) is None
            single = replace(trial, method="joint_train", modalities=("audio",))
            assert part_of(single) == part_of(trial)
    assert set(networks()) <= set(PARTS)


def test_reality_is_compared_over_the_runs_that_have_both(sam):
    real = run_seconds(sam, FIGURES, COUNTS).value * 2
    done = RunRecord(sam.run_id, sam, "done", timing={"seconds": real})
    failed = RunRecord(sam.run_id, sam, "failed", timing={"seconds": 1e9})
    unknown = RunRecord("x", replace(sam, method="agm"), "done", timing={"seconds": 1e9})
    line = reality_line([done, failed, unknown], FIGURES, lambda e: COUNTS)
    assert "1 run took" in line and "0.50 of it" in line and "Some CPU" in line
    assert reality_line([failed], FIGURES, lambda e: COUNTS) is None


def test_a_small_plan_has_a_line_per_run(sam):
    plan = [replace(sam, seed=seed) for seed in range(MOST_LINES)]
    found = {e.run_id: Status("failed", "out of memory") for e in plan}
    lines = run_lines(plan, found, [Estimate(1.0)] * MOST_LINES)
    assert len(lines) == MOST_LINES
    assert lines[3].split() == [plan[3].run_id, "failed", "(out", "of", "memory)"]


def test_a_large_plan_has_a_line_per_dataset_fusion_and_method(sam):
    plan = [
        replace(sam, seed=seed, method=method, dataset=dataset)
        for seed in range(15)
        for method in ("sam", "msam")
        for dataset in ("avmnist", "ave")
    ]
    found = {e.run_id: Status("missing") for e in plan}
    found[plan[0].run_id] = Status("interrupted")
    known = {"sam": 480.0, "msam": 30.0}
    costs = [Estimate(known[e.method] if e.dataset == "avmnist" else None) for e in plan]
    costs[plan.index(replace(plan[-1], method="sam"))] = Estimate(3600.0)  # one of fifteen
    lines = [" ".join(line.split()) for line in run_lines(plan, found, costs)]
    assert lines == [
        "avmnist late sam 2.00 h 1 interrupted, 14 missing",
        "avmnist late msam 7.5 min 15 missing",
        "ave late sam no figure 15 missing",
        "ave late msam no figure 15 missing",
    ]


def test_a_dry_run_estimates_and_trains_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.plan.measurements.load_figures", lambda: FIGURES)
    words = ["--profile", "demo", "--datasets", "avmnist", "--methods", "sam", "--dry-run"]
    assert main(["table1", *words, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "for 3 runs" in out and "Some CPU" in out
    assert not list(tmp_path.rglob("*.json"))
