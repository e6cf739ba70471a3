"""Multi-loss: its golden trajectories, what its terms reach, and its weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.multi_loss import MultiLoss
from msam.losses import modality_losses
from msam.model import LateFusion, MultimodalModel
from msam.optim import OptimConfig
from tests.baselines.host_sync import forbidden_host_sync
from tests.baselines.resuming import differences_after_resuming
from tests.golden_format import ConvEncoder, assert_golden, assert_parameters, f64, golden, load
from tests.tiny import OPTIM, STILL, changed, snapshot, tiny_batches, tiny_model, train

Case = dict[str, Any]
TRAJECTORY = OptimConfig(lr=0.05, momentum=0.9, weight_decay=1e-4)  # the file's text
setting = pytest.mark.parametrize("fusion", ["late", "early"])
modalities = pytest.mark.parametrize("count", [2, 3])


def _named(method: MultiLoss, names: dict[str, Any]) -> dict[str, Tensor]:
    """The live parameters under the file's names."""
    layers: dict[str, nn.Module] = {}
    for m, encoder in method.model.encoders.items():
        layers |= {f"enc.{m}.conv": encoder.conv, f"fusion.{m}": method.model.heads[m]}
    layers |= {f"own.{m}": head for m, head in method.heads.items()}
    pairs = (name.rsplit(".", 1) for name in names)
    return {f"{layer}.{kind}": getattr(layers[layer], kind) for layer, kind in pairs}


def _existing(given: Case, params: dict[str, Any]) -> dict[str, Any]:
    """The file's parameters without the own heads of losses of weight 0, which do not exist here
    and do not change there."""
    without = [
        f"own.{m}." for m, w in zip(given["modalities"], given["weights"], strict=True) if not w
    ]
    return {name: value for name, value in params.items() if not name.startswith(tuple(without))}


def _method(given: Case) -> MultiLoss:
    names = given["modalities"]
    encoders: dict[str, nn.Module] = {m: ConvEncoder(padding=1) for m in names}
    model = MultimodalModel(encoders, LateFusion(dict.fromkeys(names, 4), given["classes"]))
    weight = dict(zip(names, map(float, given["weights"]), strict=True))
    method = MultiLoss(model.double(), TRAJECTORY, weight=weight, heads=given["heads"])
    for head in method.heads.values():
        head(torch.zeros(1, 4, dtype=torch.float64))  # gives its weights their shape
    params = _existing(given, given["params"])
    load(_named(method, params), params)
    return method


@golden("multiloss_trajectory")
def test_trajectory(case: Case) -> None:
    given = case["inputs"]
    if given["weight_joint"] != 1:
        pytest.skip("no joint loss: the unimodal ensemble, which its own tests compare")
    method = _method(given)
    weights = dict(zip(given["modalities"], given["weights"], strict=True))
    for batch, expected in zip(given["batches"], case["outputs"]["steps"], strict=True):
        inputs = {m: f64(batch[m])[:, None] for m in weights}
        metrics = method.step(inputs, torch.tensor(batch["labels"]))
        assert_golden(metrics["objective"], expected["total"], "total")
        assert_golden(metrics["loss_mm"], expected["loss_mm"], "loss_mm")
        reported = {m: metrics[f"loss_{m}"] for m in weights if f"loss_{m}" in metrics}
        assert reported.keys() == {m for m, weight in weights.items() if weight > 0}
        for m, value in reported.items():
            assert_golden(weights[m] * value, expected[f"loss_{m}"], m)
        params = _existing(given, expected["params"])
        assert_parameters(_named(method, params), params)


@modalities
@setting
def test_own_heads_are_extra_and_the_loss_reaches_the_encoders(fusion: str, count: int) -> None:
    """Encoder m gets the gradient of the joint loss plus that of its own head's, times its weight;
    the fusion gets the joint loss's alone."""
    [(inputs, labels)] = tiny_batches(1, count)
    model = tiny_model(count, fusion)
    method = MultiLoss(model, STILL, weight={"audio": 0.5})
    method.step(inputs, labels)
    found = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    features = model.encode(inputs)
    loss = F.cross_entropy(model.fusion(features), labels)
    for m, head in method.heads.items():
        weight = 0.5 if m == "audio" else 1.0
        loss = loss + weight * F.cross_entropy(head(features[m]), labels)
    loss.backward()
    for name, p in model.named_parameters():
        torch.testing.assert_close(found[name], p.grad, msg=name)
    assert list(method.heads) == list(model.modalities)
    assert not {id(p) for p in method.heads.parameters()} & {id(p) for p in model.parameters()}


@modalities
@setting
def test_the_fusions_own_outputs_can_take_the_place_of_extra_heads(fusion: str, count: int) -> None:
    """Late: each head with its whole bias. Early: the others absent, in evaluation mode."""
    [(inputs, labels)] = tiny_batches(1, count)
    model, twin = tiny_model(count, fusion), tiny_model(count, fusion)
    method = MultiLoss(model, STILL, heads="fusion", weight=2.0)
    metrics = method.step(inputs, labels)
    features = twin.encode(inputs)
    joint = F.cross_entropy(twin.fusion(features), labels)
    absent = twin.absent_features(inputs, features, "zero_feature")
    own = modality_losses("unimodal", twin, features, absent, labels)
    (joint + 2 * own.sum()).backward()
    assert len(method.heads) == 0
    for m, value in zip(twin.modalities, own, strict=True):
        torch.testing.assert_close(metrics[f"loss_{m}"], value.detach())
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


def test_own_heads_are_not_evaluated() -> None:
    """They are of the method, not of the model: the model's outputs and names are Joint-Train's."""
    model, twin = tiny_model(), tiny_model()
    MultiLoss(model, OPTIM)
    assert not changed(snapshot(twin), snapshot(model))


@setting
def test_a_loss_of_weight_zero_is_left_out_with_its_head(fusion: str) -> None:
    method = MultiLoss(tiny_model(3, fusion), OPTIM, weight={"visual": 0.0})
    metrics = method.step(*tiny_batches(1, 3)[0])
    assert set(method.heads) == {"audio", "text"}
    assert {"loss_audio", "loss_text"} <= set(metrics) and "loss_visual" not in metrics


@pytest.mark.parametrize(
    "options", [{"weight": {"visual": 0.0}}, {"weight": 0.3}, {"heads": "fusion"}], ids=str
)
@setting
def test_own_heads_go_on_after_a_resume(fusion: str, options: dict[str, Any]) -> None:
    def build() -> MultiLoss:
        return MultiLoss(tiny_model(2, fusion), OPTIM, **options)

    assert not differences_after_resuming(build, tiny_batches(3), 1, 4)


def test_own_heads_follow_the_learning_rate_and_are_trained() -> None:
    method = MultiLoss(tiny_model(), OPTIM)
    train(method, tiny_batches(1))
    before = snapshot(method.heads)
    train(method, tiny_batches(1))
    assert changed(before, snapshot(method.heads)) == before.keys()
    for _ in range(2):
        method.end_epoch({})
    assert [group["lr"] for group in method.optimizer.param_groups] == [pytest.approx(0.005)] * 2


@pytest.mark.parametrize("options", [{"heads": "fusion"}, {"absent": "zero_input"}], ids=str)
@setting
def test_no_option_waits_for_the_host(fusion: str, options: dict[str, Any]) -> None:
    method = MultiLoss(tiny_model(3, fusion), OPTIM, **options)
    for inputs, labels in tiny_batches(2, 3):
        with forbidden_host_sync():
            method.step(inputs, labels)


@pytest.mark.parametrize(
    ("weight", "named"),
    [
        ({"text": 1.0}, "'text'.*audio, visual"),
        ({"audio": -1.0}, "'audio' is -1.0.*at least 0"),
        ({"audio": "much"}, "'much'.*finite number"),
        (-0.5, "at least 0"),
    ],
    ids=str,
)
def test_a_wrong_weight_is_named(weight: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        MultiLoss(tiny_model(), OPTIM, weight=weight)


def test_one_modality_is_not_supported() -> None:
    assert MultiLoss.unsupported(("audio",), "late") is not None
    assert MultiLoss.unsupported(("audio", "visual"), "early") is None
