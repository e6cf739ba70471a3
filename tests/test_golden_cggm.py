"""CGGM against the vectors made with its published code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from baselines.cggm import CGGM, direction_loss, modulation_factors
from msam.model import Features, MultimodalModel
from msam.optim import OptimConfig
from tests.golden_format import ConvEncoder, assert_golden, assert_parameters, f64, golden, load

Case = dict[str, Any]
SCORES = {
    "argmax_accuracy": lambda z, y: (z.argmax(1) == y).double().mean(),
    "sign_accuracy": lambda z, y: ((z > 0) == (y > 0)).double().mean(),
}


def _scores(given: Case) -> Tensor:
    """(steps, M): given, or from the predictions of each modality at each step."""
    if "accuracy" in given:
        return f64(given["accuracy"])
    score = SCORES[given["metric"]]
    steps = zip(given["predictions"], given["targets"], strict=True)
    return torch.stack(
        [torch.stack([score(f64(z), f64(y)) for z in predictions]) for predictions, y in steps]
    )


def assert_factors(actual: Tensor, expected: Any, total: float) -> None:
    """To 1e-8, or 1e-6 where the changes cancel and the factors depend on rounding."""
    rtol = 1e-8 if abs(total) > 1e-6 else 1e-6
    torch.testing.assert_close(actual, f64(expected), rtol=rtol, atol=1e-8)


@golden("cggm_factors")
def test_factors(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    scores = _scores(given)
    if "accuracy" in expected:
        assert_golden(scores, expected["accuracy"])
    previous = f64(given["initial_accuracy"])
    for t, current in enumerate(scores):
        factors = modulation_factors(current, previous)
        total = expected["delta_sum_plus_eps"][t]
        assert_factors(factors, expected["factor"][t], total)
        if "encoder_grad_multiplier" in expected:
            assert_factors(given["rho"] * factors, expected["encoder_grad_multiplier"][t], total)
        previous = current


@golden("cggm_direction_loss")
def test_direction_loss(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    joint = f64(given["fusion"]).requires_grad_()
    own = [f64(u).requires_grad_() for u in given["unimodal"]]
    loss = direction_loss(own, [joint] * len(own), f64(given["factor"]))
    weighted = given["lambda"] * loss
    weighted.backward()
    assert_golden(loss, expected["direction_loss"])
    assert_golden(weighted, expected["weighted_loss"])
    assert_golden(joint.grad, expected["grad_fusion"])
    for m, u in enumerate(own):
        assert_golden(u.grad, expected["grad_unimodal"][m], f"modality {m}")


class SumFusion(nn.Module):
    """One linear layer on the sum of the features; every modality's output layer is that one."""

    def __init__(self, modalities: list[str], width: int, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, classes)
        self.heads = nn.ModuleDict(dict.fromkeys(modalities, self.head))

    def forward(self, features: Features) -> Tensor:
        return self.head(sum(features.values()))


def _named(method: CGGM) -> dict[str, Tensor]:
    """The live parameters under the file's names."""
    model = method.model
    layers = {"head": model.fusion.head}
    layers |= {f"encoder{m}": encoder.conv for m, encoder in model.encoders.items()}
    layers |= {f"classifier{m}": f[-1] for m, f in method.classifiers.items()}
    return {
        f"{name}.{kind}": getattr(layer, kind)
        for name, layer in layers.items()
        for kind in ("weight", "bias")
    }


def _method(given: Case, modalities: list[str]) -> CGGM:
    encoders: dict[str, nn.Module] = {m: ConvEncoder(padding=0) for m in modalities}
    fusion = SumFusion(modalities, 4, given["num_classes"])
    optim = OptimConfig(
        lr=given["lr"], momentum=given["momentum"], weight_decay=given["weight_decay"]
    )
    method = CGGM(
        MultimodalModel(encoders, fusion).double(),
        optim,
        rho=given["rho"],
        lam=given["lambda"],
        clip=given["clip_norm"],
        classifier_lr_ratio=given["classifier_lr"] / given["lr"],
    )
    for classifier in method.classifiers.values():
        classifier(torch.zeros(1, 4, dtype=torch.float64))  # gives its weights their shape
    load(_named(method), given["init"])
    return method


@golden("cggm_trajectory")
def test_trajectory(case: Case) -> None:
    given, steps = case["inputs"], case["outputs"]["steps"]
    modalities = [key.removeprefix("x") for key in given if key.startswith("x")]
    method = _method(given, modalities)
    direction = 0.0  # of the step before
    for t, expected in enumerate(steps):
        inputs = {
            m: f64(given[f"x{m}"][t]).reshape(-1, 1, given["height"], given["width"])
            for m in modalities
        }
        metrics = method.step(inputs, torch.tensor(given["y"][t]))
        for m, score, factor in zip(
            modalities, expected["classifier_accuracy"], expected["factor"], strict=True
        ):
            assert_golden(method.scores[modalities.index(m)], score, "score")
            assert_golden(metrics[f"factor_{m}"], factor, f"factor {m}")
        total = metrics["loss_mm"] + given["lambda"] * direction
        assert_golden(total, expected["total_loss"], "total loss")
        direction = metrics["direction_loss"]
        assert_golden(direction, expected["direction_loss_for_next_step"], "direction loss")
        assert_parameters(_named(method), expected["params"])
