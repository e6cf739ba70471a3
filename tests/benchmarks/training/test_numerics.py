"""Precision: lowered around training only, and never where it would change the method."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from baselines.registry import build_method
from benchmarks.plan.experiment import Experiment
from benchmarks.training import epoch, run
from benchmarks.training.evaluate import evaluate
from benchmarks.training.numerics import computing_in
from msam.optim import OptimConfig
from tests.tiny import tiny_batches, tiny_model, weights

FLAGS = torch.backends.cuda.matmul, torch.backends.cudnn


def flags():
    return [flag.allow_tf32 for flag in FLAGS]


def model(**options):
    return tiny_model(dtype=torch.float32, **options)


def batch():
    return tiny_batches(dtype=torch.float32)[0]


@pytest.mark.parametrize(("precision", "allowed"), [("fp32", False), ("tf32", True)])
def test_tf32_is_allowed_where_it_is_asked_for_and_nowhere_else(precision, allowed):
    before = flags()
    with computing_in(model(), precision):
        assert flags() == [allowed, allowed]
    assert flags() == before


def test_the_flags_and_the_network_come_back_after_an_error():
    network, before = model(), flags()
    with pytest.raises(RuntimeError), computing_in(network, "bf16"):
        raise RuntimeError
    assert flags() == before
    assert not any("forward" in vars(e) for e in network.encoders.values())


def test_bf16_lowers_the_encoders_and_leaves_the_rest_in_float32():
    network, (inputs, labels) = model(), batch()
    seen = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(
                lambda m, i, out, name=name: seen.update({name: out.dtype})
            )
    with computing_in(network, "bf16"):
        metrics = build_method("msam", network, OptimConfig()).step(inputs, labels)
    lowered = {name for name, dtype in seen.items() if dtype == torch.bfloat16}
    assert lowered == {name for name in seen if name.startswith("encoders.")}
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in network.parameters()} == {torch.float32}
    assert all(value.dtype == torch.float32 for value in metrics.values())


def test_bf16_stays_near_fp32_and_is_not_equal_to_it():
    moved = {}
    for precision in ("fp32", "bf16"):
        network = model()
        before = weights(network)
        with computing_in(network, precision):
            build_method("joint_train", network, OptimConfig(lr=0.1)).step(*batch())
        after = weights(network)
        moved[precision] = torch.cat([(after[n] - before[n]).flatten() for n in after])
    difference = (moved["bf16"] - moved["fp32"]).norm() / moved["fp32"].norm()
    assert 1e-6 < difference < 0.05


def test_the_second_pass_sees_the_perturbed_weights_in_bf16_too():
    """A cache of casted weights, which a surrounding autocast keeps alive, would hide them."""
    network, (inputs, _) = model(), batch()
    with torch.autocast("cpu", torch.bfloat16), computing_in(network, "bf16"):
        before = network.encode(inputs)
        with torch.no_grad():
            for p in network.encoders.parameters():
                p.add_(torch.randn_like(p) * (p.ndim > 1))  # of these autocast keeps copies
        after = network.encode(inputs)
    assert all((before[m] - after[m]).abs().max() > 1e-2 for m in before)


def test_a_run_trains_in_its_precision_and_evaluates_in_fp32(
    experiment, dataset, monkeypatch, context
):
    seen = {"train": set(), "evaluate": set()}

    def watched(network, split):
        kind = "forward" in vars(next(iter(network.encoders.values())))
        seen["evaluate"].add(kind)
        return evaluate(network, split)

    def track(batches, title):
        yield from batches

    monkeypatch.setattr(epoch, "evaluate", watched)
    runs = {
        p: run.run(experiment(epochs=1, precision=p), dataset, context)
        for p in ("fp32", "tf32", "bf16")
    }
    losses = {p: record.history[0]["train"]["loss_mm"] for p, record in runs.items()}
    assert seen["evaluate"] == {False}
    assert losses["fp32"] == losses["tf32"] != losses["bf16"]  # TF32 exists on GPUs only
    assert math.isclose(losses["fp32"], losses["bf16"], rel_tol=0.02)
    assert runs["bf16"].experiment.precision == "bf16"


def test_precision_is_part_of_the_run_and_validated():
    base = Experiment("avmnist", "late", "msam", 0, 2, 64, "small_cnn")
    assert len({replace(base, precision=p).run_id for p in ("fp32", "tf32", "bf16")}) == 3
    with pytest.raises(ValueError, match="bf16"):
        Experiment.from_dict(base.to_dict() | {"precision": "bf17"})
