"""OGM-GE against the golden vectors of its released code. Each file's `what` explains it.

Not matched, because we do not copy it: undefined coefficients in a step (they count as 1), the
halved biases of that code's evaluation, and the undivided sums of BalanceBenchmark.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.ogm_ge import OGMGE, averaged_coefficients, confidence, pairwise_coefficients
from msam.model import Features, LateFusion, MultimodalModel
from msam.optim import OptimConfig
from tests.golden_format import ConvEncoder, assert_golden, assert_parameters, f64, golden, load
from tests.tiny import OPTIM, tiny_model

Case = dict[str, Any]
OGM_OPTIM = OptimConfig(lr=0.05, momentum=0.9, weight_decay=1e-4)


def _same_number(found: Tensor, wanted: Any, what: str) -> None:
    """Equal to 1e-8, infinity and NaN included, which the files write as words."""
    wanted = f64(float(wanted))
    torch.testing.assert_close(
        found, wanted, rtol=1e-8, atol=1e-12, equal_nan=True, msg=lambda text: f"{what}: {text}"
    )


def _check_pair(given: Case, expected: Case, names: dict[str, str]) -> None:
    labels = torch.tensor(given["labels"])
    scores = {m: confidence(f64(given[f"logits_{m}"]), labels) for m in names}
    first, second = scores.values()
    found = {"ratio": {"first": first / second, "second": second / first}}
    coefficients = pairwise_coefficients(scores, given["alpha"])
    for (m, key), ratio in zip(names.items(), found["ratio"].values(), strict=True):
        _same_number(scores[m], expected[f"score_{key}"], "score")
        _same_number(ratio, expected[f"ratio_{key}"], "ratio")
        _same_number(coefficients[m], expected[f"coeff_{key}"], "coefficient")


@golden("ogm_ge_coefficients")
def test_coefficients(case: Case) -> None:
    _check_pair(case["inputs"], case["outputs"], {"a": "a", "v": "v"})


@golden("agm_ogm_ge")
def test_coefficients_in_the_code_of_agm(case: Case) -> None:
    _check_pair(case["inputs"], case["outputs"], {"audio": "audio", "visual": "visual"})


@golden("ogm_ge_coefficients")
def test_an_undefined_coefficient_counts_as_one_in_a_step(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    method = OGMGE(tiny_model(), OPTIM, alpha=given["alpha"])
    logits = {m: f64(given[f"logits_{m}"]) for m in ("a", "v")}
    for m, k in method.coefficients(logits, torch.tensor(given["labels"])).items():
        wanted = float(expected[f"coeff_{m}"])
        _same_number(k, 1.0 if math.isnan(wanted) else wanted, m)


@golden("ogm_ge3_coefficients")
def test_averaged_coefficients(case: Case) -> None:
    given = case["inputs"]
    if "coeff_averaged" not in case["outputs"]:
        pytest.skip("a rule of that toolkit which we do not offer")
    labels = torch.tensor(given["labels"])
    scores = {m: confidence(f64(z), labels) for m, z in given["logits"].items()}
    found = averaged_coefficients(scores, given["alpha"])
    for m, wanted in case["outputs"]["coeff_averaged"].items():
        _same_number(found[m], wanted, m)


class Named(nn.Module):
    """Parameters with given gradients, in the order of the file."""

    def __init__(self, gradients: dict[str, Any]) -> None:
        super().__init__()
        for name, values in gradients.items():
            parameter = nn.Parameter(torch.zeros_like(f64(values)))
            parameter.grad = f64(values).clone()
            self.register_parameter(name.replace(".", "_"), parameter)


class FixedNoise(OGMGE):
    """OGM-GE whose standard normal entries are given in `draws`."""

    draws: Iterator[Tensor]

    def standard_normal(self, like: Tensor) -> Tensor:
        drawn = next(self.draws)
        assert drawn.shape == like.shape
        return drawn


@golden("ogm_ge_gradient")
def test_modulated_gradient(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    prefixes = {"audio": "audio_net.", "visual": "visual_net."}
    named = {
        m: {n: g for n, g in given["grads"].items() if n.startswith(prefix)}
        for m, prefix in prefixes.items()
    }
    rest = {n: g for n, g in given["grads"].items() if not n.startswith(tuple(prefixes.values()))}
    model = MultimodalModel({m: Named(part) for m, part in named.items()}, Named(rest))
    method = FixedNoise(model, OPTIM, scope="conv", noise=given["mode"] == "OGM_GE")
    order = [n for part in named.values() for n in part]
    drawn = sorted(given.get("standard_normal") or {}, key=order.index)
    method.draws = iter([f64(given["standard_normal"][n]) for n in drawn])
    method.modulate({"audio": f64(given["coeff_a"]), "visual": f64(given["coeff_v"])})
    assert next(method.draws, None) is None
    holders = {**{n: model.encoders[m] for m in named for n in named[m]}}
    holders |= dict.fromkeys(rest, model.fusion)
    for name, wanted in expected["grads"].items():
        found = holders[name].get_parameter(name.replace(".", "_")).grad
        assert_golden(found, wanted, name)


class ConcatHalves(LateFusion):
    """One linear layer on the concatenation; each modality's logits take half of its bias."""

    def __init__(self, widths: dict[str, int], classes: int) -> None:
        super().__init__({}, classes)
        self.widths = widths
        self.head = nn.Linear(sum(widths.values()), classes)

    def forward(self, features: Features) -> Tensor:
        return self.head(torch.cat([features[m] for m in self.widths], dim=1))

    def modality_logits(self, features: Features) -> dict[str, Tensor]:
        parts = self.head.weight.split(list(self.widths.values()), dim=1)
        bias = self.head.bias / len(parts)
        return {
            m: F.linear(features[m], part, bias) for m, part in zip(self.widths, parts, strict=True)
        }


@golden("ogm_ge_unimodal_logits_concat")
def test_own_logits_of_two_heads_are_those_of_the_halved_concatenation(case: Case) -> None:
    """LateFusion with half of the bias in each head."""
    given, expected = case["inputs"], case["outputs"]
    features = {"a": f64(given["feat_a"]), "v": f64(given["feat_v"])}
    widths = {m: phi.shape[1] for m, phi in features.items()}
    parts = f64(given["weight"]).split(list(widths.values()), dim=1)
    fusion = LateFusion(widths, len(given["bias"])).double()
    for m, part in zip(widths, parts, strict=True):
        load(
            dict(fusion.heads[m].named_parameters()),
            {"weight": part, "bias": f64(given["bias"]) / 2},
        )
    labels = torch.tensor(given["labels"])
    _check_logits(fusion, features, labels, expected, "")


@golden("ogm_ge_unimodal_logits_sum")
def test_own_logits_of_two_heads_keep_their_whole_bias(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    features = {"a": f64(given["feat_a"]), "v": f64(given["feat_v"])}
    fusion = LateFusion({m: f.shape[1] for m, f in features.items()}, len(given["bias_a"])).double()
    for m in features:
        values = {key: given[f"{key}_{m}"] for key in ("weight", "bias")}
        load(dict(fusion.heads[m].named_parameters()), values)
    _check_logits(fusion, features, torch.tensor(given["labels"]), expected, "train_")


def _check_logits(
    fusion: LateFusion, features: Features, labels: Tensor, expected: Case, prefix: str
) -> None:
    assert_golden(fusion(features), expected["logits"])
    for m, z in fusion.modality_logits(features).items():
        assert_golden(z, expected[f"{prefix}logits_{m}"])
        if f"loss_{m}" in expected:
            assert_golden(F.cross_entropy(z, labels), expected[f"loss_{m}"])


def _trajectory_model(given: Case) -> tuple[MultimodalModel, dict[str, Tensor]]:
    widths = {m: len(given["params"][f"{m}_net.conv.bias"]) for m in ("audio", "visual")}
    encoders = {m: ConvEncoder(padding=1) for m in widths}
    layers = {f"{m}_net.conv": encoder.conv for m, encoder in encoders.items()}
    if given["fusion"] == "concat":
        fusion: LateFusion = ConcatHalves(widths, given["classes"])
        layers["fusion_module.fc_out"] = fusion.head
    else:
        fusion = LateFusion(widths, given["classes"])
        layers |= {
            f"fusion_module.fc_{x}": fusion.heads[m] for x, m in (("x", "audio"), ("y", "visual"))
        }
    model = MultimodalModel(encoders, fusion).double()
    named = {f"{k}.{n}": p for k, layer in layers.items() for n, p in layer.named_parameters()}
    load(named, given["params"])
    return model, named


@golden("ogm_trajectory")
def test_trajectory_without_noise(case: Case) -> None:
    given = case["inputs"]
    model, named = _trajectory_model(given)
    starts, ends = given["modulation_starts"], given["modulation_ends"]
    method = OGMGE(
        model,
        OGM_OPTIM,
        alpha=given["alpha"],
        noise=False,
        modulation_starts=starts,
        modulation_ends=ends,
    )
    method.epoch = given["epoch"]
    for batch, expected in zip(given["batches"], case["outputs"]["steps"], strict=True):
        inputs = {m: f64(batch[m])[:, None] for m in ("audio", "visual")}
        metrics = method.step(inputs, torch.tensor(batch["labels"]))
        assert_golden(metrics["loss_mm"], expected["loss"])
        for m in inputs:
            wanted = expected[f"coeff_{m[0]}"] if starts <= given["epoch"] <= ends else 1.0
            assert_golden(metrics[f"coefficient_{m}"], wanted, m)
        assert_parameters(named, expected["params"])
