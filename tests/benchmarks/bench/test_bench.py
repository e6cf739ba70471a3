"""The benchmark measures what it says: equal work on both sides, honest ratios, honest blanks."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from baselines.registry import METHODS
from benchmarks.__main__ import main
from benchmarks.bench import memory, modes, naive, scaling, steps
from benchmarks.bench.bare import harness_epoch, plain_epoch, stored_split
from benchmarks.bench.memory import LiveBytes, counted_peak
from benchmarks.bench.naive import naive_step
from benchmarks.bench.parts import PARTS
from benchmarks.bench.scaling import images
from benchmarks.bench.steps import count_passes, step_of
from benchmarks.bench.timing import AVMNIST, NOT_RUN, SMALL, Setting, Workload, interleaved, ratio
from benchmarks.configs.load import load_config
from benchmarks.plan import measurements
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.networks import networks, optional_parts
from benchmarks.plan.workspace import ROOT
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
    "multi_loss": (1, 1),
    "unimodal_ensemble": (1, 1),
    "tcmax": (1, 1),
    "mcr": (1, 1),
    "mlb": (1, 1),
    "arl": (1, 1),
    "pmr": (1.1, 1),  # a tenth of the batches is encoded once more, before the epoch
    "mla": (1, 1),
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


def test_actions_alternate_and_ratios_are_medians():
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
        assert len(names) == len(set(names))
        assert {*TINY.method_names(fusion), "evaluation audio", "joint_train visual"} <= set(names)
    for row in rows:
        assert row["samples/s"] == pytest.approx(TINY.batch / row["seconds per step"])
        assert row["to joint_train"] > 0
    plain = next(row for row in rows if row["method"] == "joint_train")
    assert plain["to joint_train"] == 1.0


def test_methods_that_do_not_fit_in_memory_together_are_timed_in_groups(monkeypatch):
    together = []
    real = interleaved

    def counted(actions, setting, warm):
        together.append([name for name in actions if " " not in name])
        return real(actions, setting, warm)

    monkeypatch.setattr(steps, "interleaved", counted)
    rows = steps.measure(TINY, ONCE, at_once=4)
    plain = steps.measure(TINY, ONCE)
    names = [(row["fusion"], row["method"]) for row in rows]
    assert sorted(names) == sorted((row["fusion"], row["method"]) for row in plain)
    assert all(group[:2] == ["joint_train", "sam"] for group in together)
    assert max(len(group) for group in together[:-2]) <= 2 + 4


def test_a_method_with_phases_costs_the_mean_of_its_epochs(monkeypatch):
    batch = TINY.random_batch(CPU)
    cycles = {
        title: step_of(TINY.method(name, "late", CPU, **params), batch)
        for title, (name, params) in steps._titles(TINY, "late").items()
    }
    assert {title for title, step in cycles.items() if step.epochs > 1} == {"reconboost"}
    found = cycles["reconboost"]  # a boosting of each modality, after each a rectification of both
    assert (found.epochs, found.passes.forward, found.passes.backward) == (4, 1.0, 0.75)
    monkeypatch.setattr(steps, "interleaved", lambda actions, *_, **__: {a: [4.0] for a in actions})
    times = {row["method"]: row["seconds per step"] for row in steps.measure(TINY, ONCE)}
    assert times["reconboost"] == 1.0 and times["sam"] == 4.0
    taken = []
    monkeypatch.setattr(METHODS["reconboost"], "step", lambda self, *b: taken.append(self.phase))
    found.run()
    assert len(taken) == len(set(taken)) == 4


def test_steps_are_timed_with_the_hyperparameters_of_the_tables():
    for network in (networks()["steps_urfunny"][0], networks()["steps_small"][2]):
        titles = steps._titles(Workload(**vars(network)), "late")
        assert set(titles["mslr"][1]["bases"]) == {"audio", "visual", "text"}
    titles = steps._titles(TINY, "late")
    assert titles["ogm_ge noise=False"][1] == titles["ogm_ge"][1] | {"noise": False}
    assert titles["ogm_ge"][1]["alpha"] == load_config().methods["ogm_ge"].values("cremad")["alpha"]


def test_evaluation_of_a_modality_runs_its_encoder_alone(monkeypatch):
    seen = []
    monkeypatch.setattr(steps, "_evaluate", lambda model, inputs: seen.append((model, inputs)))
    batch = TINY.random_batch(CPU)
    singles = steps._singles(TINY, "late", batch, CPU)
    assert len(seen) == len(TINY.shapes)  # warm when they are timed
    for m in TINY.shapes:
        singles[f"evaluation {m}"]()
        model, inputs = seen.pop()
        assert model.modalities == tuple(inputs) == (m,)


@pytest.mark.parametrize("part", networks())
def test_every_part_of_steps_times_networks_that_can_be_trained(part):
    """A batch of its samples goes through its encoder, one label for each prediction."""
    for network in networks()[part]:
        if network.encoder in ("transformer", "resnet18"):
            continue  # as below, but for seconds
        workload = Workload(**vars(network), batch=4)
        inputs, labels = workload.random_batch(CPU)
        method = workload.method("msam", "late", CPU)
        assert len(method.model(inputs)) == len(labels) == 4 * workload.segments
        assert method.step(inputs, labels)["loss_mm"].isfinite()


def test_the_tables_networks_are_timed_on_the_published_shapes():
    parts = networks()
    shapes = {"audio": (50, 81), "visual": (50, 371), "text": (50, 300)}
    assert dict(parts["steps_urfunny"][0].shapes) == shapes
    assert dict(parts["steps_ave"][0].shapes) == {"audio": (10, 128), "visual": (10, 7, 7, 512)}
    assert parts["steps_ave"][0].segments == 10
    assert dict(parts["steps"][0].shapes) == AVMNIST
    encoders = {part: [n.encoder for n in found] for part, found in parts.items()}
    assert encoders["steps"] == ["resnet18"]
    assert encoders["steps_urfunny"] == ["transformer"]
    assert encoders["steps_ave"] == ["segment_lstm"]
    assert encoders["steps_small"] == [
        "small_cnn56",
        "small_cnn",
        "small_transformer",
        "small_segment_lstm",
    ]


def test_batches_are_small_on_a_cpu_only_where_64_take_minutes(monkeypatch):
    measured = []
    monkeypatch.setattr(steps, "measure", lambda s, setting, at_once: measured.append(s) or [])
    for device in (CPU, torch.device("cuda")):
        for part in networks():
            PARTS[part](Setting(device, 1))
    sizes = [(s.data, s.batch) for s in measured if s.encoder in ("resnet18", "transformer")]
    on_cpu = [("avmnist", 64), ("cremad", 4), ("urfunny", 8)]
    assert sizes == [*on_cpu, ("avmnist", 64), ("cremad", 64), ("urfunny", 64)]


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
    assert {row["eager over captured"] for row in modes.capture(ONCE)} == {NOT_RUN}
    monkeypatch.setattr(modes, "PAPER", TINY)
    row = modes.precision(ONCE)[0]
    assert row["tf32 speed"] == NOT_RUN
    assert row["fp32 speed"] == 1.0 and row["bf16 speed"] > 0
    assert row["tf32 channels_last speed"] == NOT_RUN
    assert row["fp32 channels_last speed"] > 0
    monkeypatch.setattr(scaling, "rate", lambda runs, device: 10.0 * runs)
    rows = scaling.packing(ONCE)
    assert rows[0]["throughput over one run"] == 1.0
    assert rows[-1]["throughput over one run"] == NOT_RUN


def test_memory_on_a_cpu_is_called_a_count(monkeypatch):
    few = replace(
        TINY, shapes={"audio": (1, 12, 12)}
    )  # without the methods that need two modalities
    for name in ("PAPER", "SMALL"):
        monkeypatch.setattr(memory, name, few)
    rows = memory.memory(ONCE)
    assert {"sam", "joint_train"} <= {row["method"] for row in rows}
    assert {row["how"] for row in rows} == {"counted, without workspaces"}
    assert all(row["peak MiB"] > 0 for row in rows)


def test_growth_varies_the_number_of_modalities():
    workload = images(6)
    assert len(workload.shapes) == 6
    method = workload.method("msam", "late", CPU)
    metrics = method.step(*replace(workload, batch=4).random_batch(CPU))
    assert sum(name.startswith("contribution_modality") for name in metrics) == 6


def test_growth_has_six_modalities_with_resnet18(monkeypatch):
    for name in ("COUNTS", "BATCHES", "WIDTHS"):
        monkeypatch.setattr(scaling, name, ())
    monkeypatch.setattr(scaling, "RESNET_CPU_BATCH", 2)
    taken = {"msam": [1.1], "sam": [1.0]}
    monkeypatch.setattr(scaling, "interleaved", lambda actions, setting: taken)
    same = {"encoder": "resnet18", "batch": 2, "varied": "modalities", "msam over sam": 1.1}
    assert scaling.growth(ONCE) == [same | {"value": 2}, same | {"value": 6}]


def test_the_price_of_the_same_bits_is_measured_where_it_runs(monkeypatch):
    deterministic = []

    def step(self, inputs, labels):
        deterministic.append(torch.are_deterministic_algorithms_enabled())
        time.sleep(0.02 * (1 + deterministic[-1]))

    monkeypatch.setattr(modes, "PAPER", TINY)
    for name in modes.METHODS_TIMED:
        monkeypatch.setattr(METHODS[name], "step", step)
    rows = modes.determinism(Setting(CPU, 3))
    assert deterministic == [True, False] * 4 * len(rows)
    for row in rows:
        assert 1.5 < row["deterministic over default, cpu"] < 3
        assert row["deterministic over default, cuda"] == NOT_RUN


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("adaptive_avg_pool2d does not have a deterministic implementation. You can", True),
        ("shapes do not fit", False),
    ],
)
def test_an_operation_without_a_deterministic_way_is_named(monkeypatch, text, shown):
    def refuse(self, inputs, labels):
        raise RuntimeError(text)

    monkeypatch.setattr(modes, "PAPER", TINY)
    monkeypatch.setattr(METHODS["joint_train"], "step", refuse)
    if shown:
        row = modes.determinism(ONCE)[0]
        assert row["deterministic over default, cpu"].endswith("deterministic implementation")
    else:
        with pytest.raises(RuntimeError, match="shapes"):
            modes.determinism(ONCE)


def test_figures_of_this_machine_do_not_replace_the_published_ones(tmp_path, monkeypatch, capsys):
    assert measurements.OWN != measurements.COMMITTED
    ignored = ["git", "check-ignore", "-q", str(measurements.OWN / "bare.json")]
    if (ROOT / ".git").exists():
        assert subprocess.run(ignored, cwd=ROOT).returncode == 0
    monkeypatch.setattr("benchmarks.bench.parts.OWN", tmp_path)
    monkeypatch.setitem(PARTS, "bare", lambda setting: [{"what": "x", "value": 1.5}])
    PARTS["bare"].__doc__ = "A part."
    assert main(["bench", "--parts", "bare", "--rounds", "1"]) == 0
    assert (tmp_path / "bare.json").exists() and str(tmp_path) in capsys.readouterr().out


def test_the_help_names_the_parts_that_must_be_asked_for(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "steps_DATASET" in text


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
    assert set(optional_parts()) < set(PARTS)


def test_the_learning_rate_of_the_workloads_is_the_papers():
    method = TINY.method("sam", "late", CPU)
    assert method.optimizer.param_groups[0]["lr"] == OptimConfig().lr
