"""MM-Pareto against the vectors made with its published code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from baselines.gradients import min_norm_weight
from baselines.mmpareto import MMPareto, integrated
from msam.model import MultimodalModel
from msam.optim import OptimConfig
from tests.golden_format import ConvEncoder, assert_golden, assert_parameters, f64, golden, load
from tests.tiny import ConcatFusion

Case = dict[str, Any]
OPTIM = OptimConfig(lr=0.05, momentum=0.9, weight_decay=1e-4)  # the file's text
HEADS = {"audio": "head_audio", "visual": "head_video"}


@golden("mmpareto_minnorm2")
def test_two_gradient_weights(case: Case) -> None:
    first, second = f64(case["inputs"]["g1"]), f64(case["inputs"]["g2"])
    expected = case["outputs"]
    weight = min_norm_weight(first, second)
    assert_golden(torch.stack([weight, 1 - weight]), expected["solver_weights"])
    v12, v22 = first.dot(second), second.dot(second)
    inside = v22 + weight * (v12 - v22)
    ends = {0.999: first.dot(first), 0.001: v22}
    assert_golden(ends.get(round(weight.item(), 12), inside), expected["min_norm_sq"])


@golden("mmpareto_minnorm2")
def test_weights_of_an_encoder(case: Case) -> None:
    """Read off the unscaled mix: 2 w g1 + 2 (1 - w) g2."""
    first, second = f64(case["inputs"]["g1"]), f64(case["inputs"]["g2"])
    mixed, cosine = integrated([first], [second], gamma=1.0, rescale="none")
    assert_golden(cosine, case["outputs"]["cosine"])
    weight, rest = case["outputs"]["mmpareto_weights"]
    assert_golden(mixed[0], 2 * weight * first + 2 * rest * second)


@golden("mmpareto_gradient")
def test_gradient_of_an_encoder(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    joint = [f64(g) for g in given["grads_mm"].values()]
    own = [f64(given["grads_uni"][name]) for name in given["grads_mm"]]
    mixed, cosine = integrated(joint, own, given["gamma"])
    assert_golden(cosine, expected["cosine"])
    for name, gradient in zip(given["grads_mm"], mixed, strict=True):
        assert_golden(gradient, expected["grads"][name], name)


def _named(method: MMPareto, names: dict[str, Any]) -> dict[str, Tensor]:
    """The live parameters under the file's names."""
    model, found = method.model, {}
    layers = {"head": model.fusion.head}
    layers |= {HEADS[m]: head for m, head in method.heads.items()}
    layers |= {f"{m}_net.conv": encoder.conv for m, encoder in model.encoders.items()}
    for name in names:
        layer, kind = name.rsplit(".", 1)
        found[name] = getattr(layers[layer], kind)
    return found


def _method(given: Case) -> MMPareto:
    encoders: dict[str, nn.Module] = {m: ConvEncoder(padding=1) for m in HEADS}
    model = MultimodalModel(encoders, ConcatFusion(8, given["classes"])).double()
    method = MMPareto(model, OPTIM, gamma=given["gamma"])
    for head in method.heads.values():
        head(torch.zeros(1, 4, dtype=torch.float64))  # gives its weights their shape
    load(_named(method, given["params"]), given["params"])
    return method


@golden("mmpareto_trajectory")
def test_trajectory(case: Case) -> None:
    given = case["inputs"]
    method = _method(given)
    for batch, expected in zip(given["batches"], case["outputs"]["steps"], strict=True):
        inputs = {m: f64(batch[m])[:, None] for m in HEADS}
        labels = torch.tensor(batch["labels"])
        metrics = method.step(inputs, labels)
        assert_golden(metrics["loss_mm"], expected["loss_mm"])
        for m in HEADS:
            assert_golden(metrics[f"loss_{m}"], expected[f"loss_{m[0]}"], f"loss_{m}")
            assert_golden(metrics[f"cosine_{m}"], expected[f"cos_{m}"], f"cosine_{m}")
        assert_parameters(_named(method, given["params"]), expected["params"])
