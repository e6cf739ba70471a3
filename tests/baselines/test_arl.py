"""ARL: the weights, the two phases, and the vectors made with its published code."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.arl import (
    ARL,
    asymmetric_weights,
    entropy_shares,
    inverse_shares,
    size_shares,
)
from msam.model import MultimodalModel, evaluating
from tests.baselines.host_sync import forbidden_host_sync
from tests.baselines.tanh_networks import (
    batch_of,
    encoders_of,
    late_fusion,
    named_parameters,
    optim_of,
)
from tests.golden_format import assert_golden, assert_parameters, f64, golden, load
from tests.tiny import (
    OPTIM,
    STILL,
    ConcatFusion,
    changed,
    tiny_batches,
    tiny_model,
    train,
    weights,
)

Case = dict[str, Any]
FLOOR = 0.3  # of the golden files' text
setting = pytest.mark.parametrize("fusion", ["late", "early"])
modalities = pytest.mark.parametrize("count", [2, 3])


@golden("arl_coefficients")
def test_weights_are_those_that_the_code_computes(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    names = sorted(name for name in given if name.startswith("logits_"))
    logits = f64([given[name] for name in names])
    entropies = entropy_shares(logits)
    assert_golden(entropies, expected["entropy_share"], "entropy_share")
    assert_golden(inverse_shares(entropies, FLOOR), expected["inverse"], "inverse")
    assert_golden(size_shares(logits), expected["size_share"], "size_share")
    weights = asymmetric_weights(logits, given["T"], FLOOR)
    assert_golden(weights, expected["weights"], "weights")


def _golden_method(given: Case) -> tuple[ARL, dict[str, Tensor]]:
    """The file's network under ARL as released, and its live parameters under the file's names."""
    values = given["init"]
    encoders = encoders_of(values)
    if given["fusion"] == "sum":
        fusion = late_fusion(values)
    else:
        fusion = ConcatFusion(len(values["head.weight"][0]), len(values["head.bias"])).double()
    assert given["scale"] == [1 / len(encoders)] * len(encoders)
    method = ARL(
        MultimodalModel(encoders, fusion),
        optim_of(given),
        gamma=given["gamma"],
        weights="equal",
        start=given["start"],
        clip=given["max_norm"],
    )
    named = named_parameters(method.model, {})
    load(named, values)
    return method, named


@golden("arl_trajectory")
def test_trajectory_is_the_published_one(case: Case) -> None:
    given = case["inputs"]
    method, named = _golden_method(given)
    method.epoch = given["epoch"]
    for batch, expected in zip(given["batches"], case["outputs"]["steps"], strict=True):
        metrics = method.step(*batch_of(batch))
        for name, value in expected.items():
            if name != "params":
                assert_golden(metrics[name], value, name)
        assert_parameters(named, expected["params"])


def test_weights_by_hand() -> None:
    """Uniform and certain predictions: entropies ln 2 and almost 0; sizes 2 and 40."""
    logits = f64([[[1.0, 1.0]], [[20.0, -20.0]]])
    inverse = [1 / 1.0, 1 / 0.3]  # the second share lies below the floor
    own = [g / sum(inverse) for g in inverse]
    scores = [8 * 40 / 42 * own[0], 8 * 2 / 42 * own[1]]
    expected = math.exp(scores[0]) / (math.exp(scores[0]) + math.exp(scores[1]))
    assert asymmetric_weights(logits, 8.0, 0.3)[0].item() == pytest.approx(expected)


def test_three_modalities_share_the_floor_and_the_size_of_the_others() -> None:
    shares = inverse_shares(f64([0.1, 0.4, 0.5]), 0.3)
    inverse = [1 / 0.2, 1 / 0.4, 1 / 0.5]
    torch.testing.assert_close(shares, f64(inverse) / sum(inverse))
    alike = f64([[[1.0, -1.0]], [[1.0, -1.0]], [[-1.0, 1.0]]])
    torch.testing.assert_close(asymmetric_weights(alike, 8.0, 0.3), f64([1 / 3] * 3))


def test_nothing_to_share_gives_equal_weights() -> None:
    assert asymmetric_weights(torch.zeros(2, 4, 3), 8.0, 0.3).tolist() == [0.5, 0.5]
    certain = torch.tensor([[[1e4, 0.0]], [[1e4, 0.0]]])
    assert asymmetric_weights(certain, 8.0, 0.3).tolist() == [0.5, 0.5]


def _summed_gradient(method: ARL, gamma: float) -> dict[str, Tensor]:
    """Of CE(fused) + gamma sum CE(u_m) on the method's weights, with the masked passes written out
    feature by feature."""
    [(inputs, labels)] = tiny_batches(1, len(method.model.modalities))
    model = method.model
    features = model.encode(inputs)
    loss = F.cross_entropy(model.fusion(features), labels)
    with evaluating(model.fusion):
        for m in model.modalities:
            if model.heads:
                alone = model.heads[m](features[m])
            else:
                alone = model.fusion(
                    {k: phi if k == m else torch.zeros_like(phi) for k, phi in features.items()}
                )
            loss = loss + gamma * F.cross_entropy(alone, labels)
    loss.backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    return found


@pytest.mark.parametrize("weights", ["asymmetric", "equal", "none"])
@modalities
@setting
def test_after_the_warm_up_encoders_are_scaled_and_nothing_else(
    fusion: str, count: int, weights: str
) -> None:
    options = {"gamma": 3.0, "weights": weights, "start": 0, "clip": None}
    expected = _summed_gradient(ARL(tiny_model(count, fusion), STILL), 3.0)
    method = ARL(tiny_model(count, fusion), STILL, **options)
    method.epoch = 1
    [(inputs, labels)] = tiny_batches(1, count)
    metrics = method.step(inputs, labels)
    total = {"asymmetric": 1.0, "equal": 1.0, "none": 0.0}[weights]
    found = [metrics[f"weight_{m}"].item() for m in method.model.modalities]
    assert sum(found) == pytest.approx(total)
    assert (len(set(found)) > 1) == (weights == "asymmetric")
    for name, p in method.model.named_parameters():
        owner = next((m for m in method.model.modalities if f"encoders.{m}." in name), None)
        factor = 1.0 if owner is None else 1 + metrics[f"weight_{owner}"]
        torch.testing.assert_close(p.grad, factor * expected[name], msg=name)


@setting
def test_warm_up_has_neither_gamma_nor_scaling_and_includes_epoch_start(fusion: str) -> None:
    expected = _summed_gradient(ARL(tiny_model(2, fusion), STILL), 1.0)
    unscaled = []
    for epoch in range(3):
        method = ARL(tiny_model(2, fusion), STILL, gamma=3.0, start=1, clip=None)
        method.epoch = epoch
        train(method, tiny_batches(1))
        gradients = {name: p.grad for name, p in method.model.named_parameters()}
        pairs = [(g, expected[name]) for name, g in gradients.items()]
        unscaled.append(all(torch.allclose(g, plain, rtol=1e-9) for g, plain in pairs))
        assert method.phase == (epoch > 1)
    assert unscaled == [True, True, False]


def test_gradient_of_the_model_is_clipped() -> None:
    method = ARL(tiny_model(), STILL, clip=1e-3)
    train(method, tiny_batches(1))
    norm = torch.stack([p.grad.norm() for p in method.model.parameters()]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("weights", ["equal", "none"])
@setting
def test_no_weights_wait_for_the_host(fusion: str, weights: str) -> None:
    method = ARL(tiny_model(3, fusion), OPTIM, weights=weights, start=-1)
    for inputs, labels in tiny_batches(2, 3):
        with forbidden_host_sync():
            method.step(inputs, labels)


def test_one_modality_is_not_supported() -> None:
    assert ARL.unsupported(("audio",), "late") is not None
    assert ARL.unsupported(("audio", "visual"), "early") is None


@pytest.mark.parametrize("start", [-1, 0, 5])
def test_a_run_that_never_leaves_the_warm_up_is_too_short(start: int) -> None:
    method = ARL(tiny_model(), OPTIM, start=start)
    needed = start + 2
    assert ARL.too_short(needed, start=start) is None
    assert str(needed) in (ARL.too_short(needed - 1, start=start) or "")
    phases = []
    for epoch in range(needed):
        method.epoch = epoch
        phases.append(method.phase)
    assert phases == [False] * (needed - 1) + [True]


@pytest.mark.parametrize("kind", ["asymmetric", "equal"])
@setting
def test_a_frozen_encoder_stays_and_the_others_learn(fusion: str, kind: str) -> None:
    model = tiny_model(2, fusion)
    model.encoders["audio"].requires_grad_(False)
    before = weights(model)
    train(ARL(model, OPTIM, start=-1, weights=kind), tiny_batches(1))
    moved = {name.rsplit(".", 2)[0] for name in changed(before, weights(model))}
    assert "encoders.visual" in moved and "encoders.audio" not in moved
