"""The unimodal ensemble: separate runs in one, and what is evaluated."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.joint_train import JointTrain
from baselines.unimodal_ensemble import UnimodalEnsemble, averaged
from benchmarks.training.evaluate import evaluate
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sources import Dense
from msam.model import LateFusion, MultimodalModel, evaluating
from msam.optim import OptimConfig
from tests.baselines.host_sync import forbidden_host_sync
from tests.golden_format import ConvEncoder, assert_golden, assert_parameters, f64, golden, load
from tests.tiny import CLASSES, MODALITIES, OPTIM, STILL, tiny_batches, tiny_model, train, weights

Case = dict[str, Any]
TRAJECTORY = OptimConfig(lr=0.05, momentum=0.9, weight_decay=1e-4)  # the file's text
modalities = pytest.mark.parametrize("count", [2, 3])
averages = pytest.mark.parametrize("average", ["logits", "probabilities"])


def _given_logits(logits: Tensor, average: str) -> UnimodalEnsemble:
    """The ensemble of models whose logits (M, B, C) are their inputs."""
    names = [f"model{number}" for number in range(len(logits))]
    fusion = LateFusion(dict.fromkeys(names, logits.shape[2]), 1)
    fusion.heads = nn.ModuleDict({m: nn.Identity() for m in names})
    encoders = {m: _Given(z) for m, z in zip(names, logits, strict=True)}
    return UnimodalEnsemble(MultimodalModel(encoders, fusion), STILL, average=average)


class _Given(nn.Module):
    """Features that are parameters, so that the optimiser has something: any -> (B, C)."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = nn.Parameter(features)

    def forward(self, x: Tensor) -> Tensor:
        return self.features


@golden("ensemble_fusion")
def test_average_of_the_models(case: Case) -> None:
    logits, expected = f64(case["inputs"]["logits"]), case["outputs"]
    inputs = dict.fromkeys((f"model{number}" for number in range(len(logits))), logits[0])
    means = _given_logits(logits, "logits").model(inputs)
    probabilities = _given_logits(logits, "probabilities").model(inputs)
    assert_golden(means, expected["mean_logits"], "mean_logits")
    assert_golden(probabilities.exp(), expected["mean_probabilities"], "mean_probabilities")
    predictions = expected["predictions"]
    assert means.argmax(1).tolist() == predictions["mean_logits"]
    assert probabilities.argmax(1).tolist() == predictions["mean_probabilities"]


def _named(model: MultimodalModel) -> dict[str, Tensor]:
    """The live parameters under the file's names."""
    named = {}
    for m in model.modalities:
        for kind in ("weight", "bias"):
            named[f"enc.{m}.conv.{kind}"] = getattr(model.encoders[m].conv, kind)
            named[f"fusion.{m}.{kind}"] = getattr(model.heads[m], kind)
    return named


@golden("multiloss_trajectory")
def test_trajectory(case: Case) -> None:
    """The cases without a joint loss."""
    given = case["inputs"]
    if given["weight_joint"] != 0 or set(given["weights"]) != {1} or given["heads"] != "fusion":
        pytest.skip("not the ensemble's training: Multi-loss, which its own tests compare")
    names = given["modalities"]
    encoders: dict[str, nn.Module] = {m: ConvEncoder(padding=1) for m in names}
    model = MultimodalModel(encoders, LateFusion(dict.fromkeys(names, 4), given["classes"]))
    method = UnimodalEnsemble(model.double(), TRAJECTORY)
    load(_named(model), given["params"])
    for batch, expected in zip(given["batches"], case["outputs"]["steps"], strict=True):
        inputs = {m: f64(batch[m])[:, None] for m in names}
        metrics = method.step(inputs, torch.tensor(batch["labels"]))
        assert_golden(metrics["objective"], expected["total"], "total")
        for m in names:
            assert_golden(metrics[f"loss_{m}"], expected[f"loss_{m}"], m)
        assert_parameters(_named(model), expected["params"])


@averages
@modalities
def test_one_run_is_a_run_for_each_modality_alone(count: int, average: str) -> None:
    """Bit for bit, on the same batches from the same weights."""
    model = tiny_model(count)
    alone = {m: _only(tiny_model(count), m) for m in MODALITIES[:count]}
    batches = tiny_batches(4, count)
    train(UnimodalEnsemble(model, OPTIM, average=average), batches)
    for m, single in alone.items():
        train(JointTrain(single, OPTIM), [({m: x[m]}, labels) for x, labels in batches])
        for name, value in weights(single).items():
            assert torch.equal(weights(model)[name], value), name


def _only(model: MultimodalModel, modality: str) -> MultimodalModel:
    """The part of a late-fusion model that is one modality's."""
    head = LateFusion({}, CLASSES)
    head.heads = nn.ModuleDict({modality: model.heads[modality]})
    return MultimodalModel({modality: model.encoders[modality]}, head)


@averages
def test_probabilities_or_logits_are_averaged_by_hand(average: str) -> None:
    """One model is sure of class 0 by logits of 10; two are fairly sure of class 1."""
    logits = [torch.tensor([[10.0, 0.0]]), *[torch.tensor([[-3.0, 0.0]])] * 2]
    found = averaged(logits, average)
    if average == "logits":
        torch.testing.assert_close(found, torch.tensor([[4 / 3, 0.0]]))
        assert found.argmax() == 0
    else:
        first = (1 / (1 + torch.e**-10.0) + 2 / (1 + torch.e**3.0)) / 3
        torch.testing.assert_close(found.exp(), torch.tensor([[first, 1 - first]]))
        assert found.argmax() == 1


@averages
@modalities
def test_evaluation_predicts_by_the_average(count: int, average: str) -> None:
    """Its metrics and predictions are those of the averaged heads; each modality has its own."""
    model = tiny_model(count, dtype=torch.float32)
    method = UnimodalEnsemble(model, OPTIM, average=average)
    batches = tiny_batches(2, count, torch.float32)
    train(method, batches)
    with torch.no_grad():
        for head in model.heads.values():
            head.weight *= 20  # so that the averages differ
    inputs, labels = batches[0]
    found = evaluate(model, SplitTensors({m: Dense(x) for m, x in inputs.items()}, labels))
    with torch.no_grad(), evaluating(model):
        logits = {m: model.heads[m](h) for m, h in model.encode(inputs).items()}
    stacked = torch.stack(list(logits.values()))
    probabilities = stacked.softmax(2).mean(0) if average == "probabilities" else stacked.mean(0)
    assert found.predictions["mm"].tolist() == probabilities.argmax(1).tolist()
    if average == "probabilities":
        loss = F.nll_loss(probabilities.log(), labels)
    else:
        loss = F.cross_entropy(stacked.mean(0), labels)
    assert found.metrics["loss_mm"] == pytest.approx(loss.item(), rel=1e-4)
    for m, z in logits.items():
        assert found.predictions[m].tolist() == z.argmax(1).tolist()


def test_a_prediction_does_not_depend_on_its_neighbours() -> None:
    [(inputs, _)] = tiny_batches(1)
    for average in ("logits", "probabilities"):
        model = tiny_model()
        UnimodalEnsemble(model, OPTIM, average=average)
        with torch.no_grad(), evaluating(model):
            whole, part = model(inputs), model({m: x[:3] for m, x in inputs.items()})
        torch.testing.assert_close(whole[:3], part)


def test_the_model_keeps_its_weights_and_their_names() -> None:
    model, twin = tiny_model(3), tiny_model(3)
    UnimodalEnsemble(model, OPTIM)
    assert list(model.state_dict()) == list(twin.state_dict())
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True)
    )


@averages
def test_no_option_waits_for_the_host(average: str) -> None:
    method = UnimodalEnsemble(tiny_model(3), OPTIM, average=average)
    for inputs, labels in tiny_batches(2, 3):
        with forbidden_host_sync():
            method.step(inputs, labels)


def test_what_has_no_heads_or_one_modality_is_refused() -> None:
    assert UnimodalEnsemble.unsupported(("audio", "visual"), "early") is not None
    assert UnimodalEnsemble.unsupported(("audio",), "late") is not None
    assert UnimodalEnsemble.unsupported(MODALITIES, "late") is None
    with pytest.raises(ValueError, match="early fusion"):
        UnimodalEnsemble(tiny_model(fusion="early"), OPTIM)
