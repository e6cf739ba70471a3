"""MASAM against its released code and, where the file says so, against the published formula."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.alignment import ascent, loss_decay
from baselines.masam import MASAM
from baselines.registry import build_method
from msam.model import Features, LateFusion, MultimodalModel
from msam.optim import OptimConfig
from msam.shapley import dominant_mask
from msam.sharpness import perturbed
from tests.golden_format import ConvEncoder, assert_golden, assert_parameters, f64, golden, load
from tests.tiny import changed, watched_passes

Case = dict[str, Any]
OTHER_NAMES = {"ehr": "0", "cxr": "1"}  # the released code's names of modalities 0 and 1
CODE = {k: MASAM.published[k] for k in ("gamma", "conflict", "scale")}
PAPER = {"gamma": "concat", "conflict": "signed", "scale": "gamma"}


def _tensors(values: Sequence[Any]) -> list[Tensor]:
    return [f64(value) for value in values]


@pytest.mark.parametrize("reading", ["code", "paper"])
@golden("masam_aps")
def test_perturbation_scores(case: Case, reading: str) -> None:
    given = case["inputs"]
    names, alpha, beta = given["modalities"], given["alpha"], given["beta"]
    history = torch.full((2, len(names)), torch.nan, dtype=torch.float64)
    options = CODE if reading == "code" else PAPER
    for step, expected in zip(given["steps"], case["outputs"]["steps"], strict=True):
        decay = loss_decay(f64([step["loss"][m] for m in names]), history, beta)
        gradients = [step["gradients"][m] for m in names]
        gammas = [
            ascent(_tensors(g["fusion"]), _tensors(g["unimodal"]), **options).gamma
            for g in gradients
        ]
        scores = alpha * decay + (1 - alpha) * torch.stack(gammas)
        found = {
            "moving_average": history[0],
            "decay": decay,
            f"gamma_{reading}": torch.stack(gammas),
            f"aps_{reading}": scores,
        }
        for key, value in found.items():
            assert_golden(value, [expected[key][m] for m in names], key)
        assert names[dominant_mask(scores).argmax()] == expected[f"selected_{reading}"]


def _epsilon(given: Case, modality: str, options: dict[str, Any]) -> list[Tensor]:
    """The perturbation, read off weights that are zero."""
    gradients = given["gradients"][modality]
    fused, alone = _tensors(gradients["fusion"]), _tensors(gradients["unimodal"])
    found = ascent(fused, alone, **options)
    params = [nn.Parameter(torch.zeros_like(g)) for g in fused]
    with perturbed(params, found.direction, given["rho"] * found.scale):
        return [p.detach().clone() for p in params]


@golden("masam_perturbation")
def test_perturbation_of_the_released_code(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    for m, epsilon in expected["epsilon_code"].items():
        if not torch.cat([f64(e).flatten() for e in epsilon]).any():
            assert m not in expected["scale_factor_code"]
            continue
        found = _epsilon(given, m, CODE)
        for actual, wanted in zip(found, epsilon, strict=True):
            assert_golden(actual, wanted, f"epsilon of {m}")
        norm = torch.cat([e.flatten() for e in found]).norm()
        assert_golden(norm, expected["epsilon_norm_code"][m], "norm")
        gradients = [_tensors(given["gradients"][m][k]) for k in ("fusion", "unimodal")]
        assert_golden(ascent(*gradients, **CODE).scale, expected["scale_factor_code"][m], "scale")


@golden("masam_perturbation")
def test_perturbation_of_the_published_formula(case: Case) -> None:
    given = case["inputs"]
    for m, expected in case["outputs"]["paper"].items():
        gradients = [_tensors(given["gradients"][m][k]) for k in ("fusion", "unimodal")]
        assert_golden(ascent(*gradients, **PAPER).gamma, expected["gamma"], "gamma")
        found = _epsilon(given, m, PAPER)
        for actual, wanted in zip(found, expected["epsilon"], strict=True):
            assert_golden(actual, wanted, f"epsilon of {m}")


class ConcatAndHeads(LateFusion):
    """The released code's network: one linear layer on the concatenation, and a head of its own
    for each modality that the fused logits do not use."""

    def __init__(self, widths: dict[str, int], classes: int) -> None:
        super().__init__(widths, classes)
        self.head = nn.Linear(sum(widths.values()), classes)

    def forward(self, features: Features) -> Tensor:
        return self.head(torch.cat(list(features.values()), dim=1))


def _network(given: Case) -> tuple[MultimodalModel, dict[str, Tensor]]:
    names = [str(m) for m in range(given["M"])]
    fusion = ConcatAndHeads(dict.fromkeys(names, 4), len(given["init"]["head.bias"]))
    model = MultimodalModel({m: ConvEncoder(padding=0) for m in names}, fusion).double()
    layers = {"head": fusion.head}
    layers |= {f"enc.{m}": model.encoders[m].conv for m in names}
    layers |= {f"uni.{m}": fusion.heads[m] for m in names}
    named = {f"{k}.{n}": p for k, layer in layers.items() for n, p in layer.named_parameters()}
    load(named, given["init"])
    return model, named


def _method(given: Case, model: MultimodalModel) -> MASAM:
    settings = {k: given[k] for k in ("alpha", "beta", "rho")}
    target = "dominant" if given["dynamic"] else "all"
    optim = OptimConfig(
        lr=given["lr"], momentum=given.get("momentum", 0.0), weight_decay=given["weight_decay"]
    )
    method = build_method("masam", model, optim, target=target, **settings, **MASAM.published)
    if given["base"] == "adamw":
        keys = ("lr", "betas", "eps", "weight_decay")
        method.optimizer = torch.optim.AdamW(model.parameters(), **{k: given[k] for k in keys})
    return method


def _total_loss(model: MultimodalModel, inputs: dict[str, Tensor], labels: Tensor) -> Tensor:
    features = model.encode(inputs)
    every = [model.fusion(features), *model.fusion.modality_logits(features).values()]
    return sum(F.cross_entropy(z, labels) for z in every)


@golden("masam_step")
def test_steps_of_the_released_code(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    model, named = _network(given)
    method = _method(given, model)
    for t, batch in enumerate(given["batches"]):
        inputs = {m: f64(x) for m, x in zip(model.modalities, batch["x"], strict=True)}
        labels = torch.tensor(batch["y"])
        with watched_passes(model) as passes:
            metrics = method.step(inputs, labels)
        twin, _ = _network(given)
        twin.load_state_dict(passes[-1], strict=True)
        total = _total_loss(twin, inputs, labels)
        assert_golden(total, expected["reported_total_loss_at_perturbed_point"][t], "total loss")
        assert_parameters(named, expected["params"][t])
        if given["dynamic"]:
            _assert_choice(expected, t, metrics, changed(*passes))


def _assert_choice(expected: Case, t: int, metrics: dict[str, Tensor], moved: set[str]) -> None:
    """The scores, the modality with the best, and that only its encoder was perturbed."""
    dominant = OTHER_NAMES[expected["selected"][t]]
    assert {name.split(".")[1] for name in moved} == {dominant}
    for name, m in OTHER_NAMES.items():
        assert_golden(metrics[f"gamma_{m}"], expected["gamma"][t][name], "gamma")
        assert_golden(metrics[f"score_{m}"], expected["aps"][t][name], "score")
        assert metrics[f"dominant_{m}"] == (m == dominant)
