"""The benchmark measures what it says: equal work on both sides, honest ratios, honest blanks."""

import json
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks.__main__ import main
from benchmarks.bench import execution, memory, naive, packing, steps
from benchmarks.bench.bare import harness_epoch, plain_epoch, stored_split
from benchmarks.bench.growth import images
from benchmarks.bench.memory import LiveBytes, counted_peak
from benchmarks.bench.naive_step import naive_step
from benchmarks.bench.parts import OPTIONAL, PARTS
from benchmarks.bench.passes import count_passes
from benchmarks.bench.subjects import SMALL
from benchmarks.bench.timing import NOT_RUN, Setting, interleaved, ratio
from benchmarks.experiment import Experiment
from msam.msam import MSAM
from msam.optim import OptimConfig
from tests.tiny import OPTIM, deviation, snapshot, tiny_batches, tiny_model

CPU = torch.device("cpu")
ONCE = Setting(CPU, 1)
TINY = replace(
    SMALL, shapes={"audio": (1, 12, 12), "visual": (1, 8, 8)}, batch=8, data="tiny", classes=3
)
PASSES = {  # through the encoders, as each method's equations ask for
    "joint_train": (1, 1),
    "sam": (2, 2),
    "msam": (2, 2),
    "mmpareto": (1, 2),
    "masam": (2, 3),
    "reconboost": (0.5 + 1 / 16, 0.5),  # the other modality for its width alone: one of 8 samples
}


@pytest.mark.parametrize("name", PASSES)
def test_passes_are_counted(name):
    found = count_passes(TINY.method(name, "late", CPU), TINY.random_batch(CPU))
    assert (found.forward, found.backward) == PASSES[name]


@pytest.mark.parametrize("fusion", ["late", "early"])
@pytest.mark.parametrize("count", [2, 3])
def test_the_naive_step_makes_the_same_update(fusion, count):
    ours, theirs = (tiny_model(count, fusion) for _ in range(2))
    method, twin = MSAM(ours, OPTIM), MSAM(theirs, OPTIM)
    for inputs, labels in tiny_batches(3, count):
        method.step(inputs, labels)
        naive_step(twin, twin.rho, inputs, labels)
    assert deviation(snapshot(ours), snapshot(theirs)) < 1e-10


def test_both_ways_of_the_naive_part_read_the_same_batches(monkeypatch):
    gathered = []
    monkeypatch.setattr(MSAM, "step", lambda self, *batch: gathered.append(batch))
    samples = naive.stored_samples(TINY)
    loaded = list(naive.naive_batches(samples, TINY.batch, CPU))
    step = naive.our_way(TINY, samples, CPU)
    for _ in loaded:
        step()
    for (x, y), (u, v) in zip(loaded, gathered, strict=True):
        assert torch.equal(y, v)
        assert all(torch.allclose(x[m], u[m], atol=1e-7) for m in x)


def test_the_bare_loop_trains_as_the_harness_does():
    """The same number of steps on the same samples: the work that is compared is equal."""
    split = stored_split(TINY, 3)
    experiment = Experiment("tiny", "late", "joint_train", 0, 1, TINY.batch, TINY.encoder)
    counted = []
    for make in (
        lambda: harness_epoch(TINY, split, experiment, CPU),
        lambda: plain_epoch(TINY, split, CPU),
    ):
        epoch, calls = make(), []
        model = next(
            part if isinstance(part, nn.Module) else part.method.model
            for part in epoch.args
            if isinstance(part, nn.Module) or hasattr(part, "method")
        )
        hook = lambda m, i, o, calls=calls: calls.append(len(o))  # noqa: E731
        model.fusion.register_forward_hook(hook)
        before = snapshot(model)
        epoch()
        assert deviation(before, snapshot(model)) > 0
        counted.append(calls)
    assert counted == [[TINY.batch] * 3] * 2


def test_actions_take_turns_and_ratios_are_medians():
    order = []
    actions = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    interleaved(actions, Setting(CPU, 2))
    assert order == ["a", "b"] * 3
    times = {"a": [2.0, 9.0, 3.0], "b": [1.0, 1.0, 1.0]}
    assert ratio(times, "a", "b") == 3.0
    slow = interleaved({"s": lambda: time.sleep(0.02)}, ONCE)["s"][0]
    assert 0.02 <= slow < 1


def test_step_rows_have_every_method_and_what_the_cost_model_needs():
    rows = steps.measure(TINY, ONCE)
    for fusion in ("late", "early"):
        names = [row["method"] for row in rows if row["fusion"] == fusion]
        assert {*TINY.method_names(fusion), "evaluation", "joint_train audio"} <= set(names)
    for row in rows:
        assert row["samples/s"] == pytest.approx(TINY.batch / row["seconds per step"])
        assert row["to joint_train"] > 0
    plain = next(row for row in rows if row["method"] == "joint_train")
    assert plain["to joint_train"] == 1.0


def test_live_memory_is_followed_to_its_peak():
    standing = torch.zeros(1000)  # 4000 bytes
    with LiveBytes([standing]) as live:
        first = torch.zeros(2000)
        view = first[:10]
        del first
        second = view + 1  # 40 bytes
        del view
        third = torch.zeros(500)
    assert live.peak == 4000 + 8000 + 40
    assert live.now == 4000 + 40 + 2000
    del second, third
    assert live.now == 4000


def test_sam_needs_a_copy_of_the_weights_more():
    wide = replace(TINY, encoder="resnet18", shapes={"audio": (1, 8, 8)})
    peaks = {}
    for name in ("joint_train", "sam"):
        method = wide.method(name, "late", CPU)
        method.step(*wide.random_batch(CPU))
        peaks[name] = counted_peak(method, wide.random_batch(CPU))
    size = sum(p.numel() * 4 for p in method.model.parameters())
    assert peaks["joint_train"] > 3 * size  # weights, momentum, gradients
    assert peaks["sam"] - peaks["joint_train"] > 0.9 * size


def test_a_cpu_says_what_was_not_run(monkeypatch):
    assert {row["eager over captured"] for row in execution.capture(ONCE)} == {NOT_RUN}
    monkeypatch.setattr(execution, "PAPER", TINY)
    row = execution.precision(ONCE)[0]
    assert row["tf32 speed"] == NOT_RUN
    assert row["fp32 speed"] == 1.0 and row["bf16 speed"] > 0
    monkeypatch.setattr(packing, "rate", lambda runs, device: 10.0 * runs)
    rows = packing.packing(ONCE)
    assert rows[0]["throughput over one run"] == 1.0
    assert rows[-1]["throughput over one run"] == NOT_RUN


def test_memory_on_a_cpu_is_called_a_count(monkeypatch):
    few = replace(TINY, shapes={"audio": (1, 12, 12)})  # what needs two modalities sits out
    for name in ("PAPER", "SMALL"):
        monkeypatch.setattr(memory, name, few)
    rows = memory.memory(ONCE)
    assert {"sam", "joint_train"} <= {row["method"] for row in rows}
    assert {row["how"] for row in rows} == {"counted, without workspaces"}
    assert all(row["peak MiB"] > 0 for row in rows)


def test_growth_varies_the_number_of_modalities():
    subject = images(6)
    assert len(subject.shapes) == 6
    method = subject.method("msam", "late", CPU)
    metrics = method.step(*replace(subject, batch=4).random_batch(CPU))
    assert sum(name.startswith("contribution_modality") for name in metrics) == 6


def test_the_verb_writes_a_table_and_a_file_per_part(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(PARTS, "bare", lambda setting: [{"what": "x", "value": 1.5}])
    PARTS["bare"].__doc__ = "A part."
    assert main(["bench", "--parts", "bare", "--rounds", "1", "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "bare.json").read_text())
    assert content["rows"] == [{"what": "x", "value": 1.5}]
    assert len(content["load_average"]) == 2
    assert "1.500" in (tmp_path / "bare.md").read_text()
    assert "1.500" in capsys.readouterr().out


def test_an_unknown_part_is_named(capsys):
    assert main(["bench", "--parts", "bear", "--rounds", "0"]) == 2
    error = capsys.readouterr().err
    assert "'bare'" in error and "at least 1" in error
    assert set(OPTIONAL) < set(PARTS)


def test_the_learning_rate_of_the_subjects_is_the_papers():
    method = TINY.method("sam", "late", CPU)
    assert method.optimizer.param_groups[0]["lr"] == OptimConfig().lr
