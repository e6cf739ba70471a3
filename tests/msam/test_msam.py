"""M-SAM with its defaults is Algorithm 1, and what follows from that."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.registry import build_method
from msam.model import MultimodalModel
from msam.msam import MSAM
from msam.optim import OptimConfig
from tests.tiny import (
    MODALITIES,
    OPTIM,
    Batch,
    changed,
    deviation,
    fixed_msam,
    snapshot,
    tiny_batches,
    tiny_model,
    train,
    watched_passes,
    weights,
)

fusions = pytest.mark.parametrize("fusion", ["late", "early"])
counts = pytest.mark.parametrize("count", [2, 3])
RHO = 0.3
UNEVEN = {
    2: [(0.3, 0.7), (0.9, 0.1), (0.5, 0.5)],
    3: [(0.2, 0.5, 0.3), (0.6, 0.4, 0.0), (0.4, 0.4, 0.2)],
}


class Algorithm1:
    """Algorithm 1 line by line: two losses, three backward passes, plain loops.

    `all_losses` adds the dominant loss to the residual, as Eq. 12 does.
    """

    def __init__(self, model: MultimodalModel, optim: OptimConfig, all_losses: bool) -> None:
        self.model, self.optim, self.all_losses = model, optim, all_losses
        self.params = list(model.parameters())
        self.velocity = [torch.zeros_like(p) for p in self.params]

    def step(self, shares: Sequence[float], batch: Batch) -> None:
        inputs, labels = batch
        dominant = shares.index(max(shares))
        loss = F.cross_entropy(self.model(inputs), labels)
        dominant_loss = shares[dominant] * loss
        residual_loss = torch.zeros_like(loss)
        for m, share in enumerate(shares):
            if m != dominant or self.all_losses:
                residual_loss = residual_loss + share * loss
        ascent = torch.autograd.grad(dominant_loss, self.params, retain_graph=True)
        residual = torch.autograd.grad(residual_loss, self.params)
        sharp = self._gradient_at_moved_weights(ascent, shares[dominant], batch)
        self._descend([s + r for s, r in zip(sharp, residual, strict=True)])

    def _gradient_at_moved_weights(
        self, ascent: Sequence[Tensor], share: float, batch: Batch
    ) -> Sequence[Tensor]:
        inputs, labels = batch
        norm = sum(g.square().sum() for g in ascent).sqrt()
        home = snapshot(self.model)
        for p, g in zip(self.params, ascent, strict=True):
            p.data = p.data + RHO * g / norm
        moved_loss = share * F.cross_entropy(self.model(inputs), labels)
        sharp = torch.autograd.grad(moved_loss, self.params)
        self.model.load_state_dict(home)  # the weights, and BatchNorm's statistics of pass one
        return sharp

    def _descend(self, gradient: Sequence[Tensor]) -> None:
        for p, g, v in zip(self.params, gradient, self.velocity, strict=True):
            v.mul_(self.optim.momentum).add_(g + self.optim.weight_decay * p.data)
            p.data = p.data - self.optim.lr * v


@pytest.mark.parametrize("residual", ["exclude", "include"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@fusions
@counts
def test_scalar_split_is_algorithm_1_as_printed(
    count: int, fusion: str, momentum: float, residual: str
) -> None:
    """nu_d grad L(theta + eps) + (1 - nu_d) grad L(theta), with two backward passes for three."""
    optim = OptimConfig(lr=0.1, momentum=momentum, weight_decay=1e-2)
    model, twin = tiny_model(count, fusion), tiny_model(count, fusion)
    method = fixed_msam(model, optim, {}, rho=RHO, residual=residual)
    literal = Algorithm1(twin, optim, all_losses=residual == "include")
    for shares, batch in zip(UNEVEN[count], tiny_batches(3, count), strict=True):
        method.shares = dict(zip(MODALITIES, shares, strict=False))
        method.step(*batch)
        literal.step(shares, batch)
        assert deviation(snapshot(twin), snapshot(model)) < 1e-12


@fusions
@counts
def test_measured_contributions_enter_algorithm_1(count: int, fusion: str) -> None:
    model, twin = tiny_model(count, fusion), tiny_model(count, fusion)
    method, literal = MSAM(model, OPTIM, rho=RHO), Algorithm1(twin, OPTIM, all_losses=False)
    for batch in tiny_batches(3, count):
        metrics = method.step(*batch)
        literal.step([metrics[f"contribution_{m}"].item() for m in model.modalities], batch)
        assert deviation(snapshot(twin), snapshot(model)) < 1e-12


def test_including_the_dominant_loss_gives_sharp_share_plus_clean_gradient() -> None:
    """Eq. 12 counts L_d twice: the update is nu_d g1 + g, longer by the factor 1 + nu_d."""
    model, twin = tiny_model(), tiny_model()
    plain = OptimConfig(lr=1.0, momentum=0.0, weight_decay=0.0)
    shares, [(inputs, labels)] = {"audio": 0.75, "visual": 0.25}, tiny_batches()
    before = weights(model)
    with watched_passes(model) as passes:
        fixed_msam(model, plain, shares, rho=RHO, residual="include").step(inputs, labels)
    clean, sharp = (_gradient(twin, point, inputs, labels) for point in passes)
    expected = {name: before[name] - (0.75 * sharp[name] + clean[name]) for name in before}
    assert deviation(expected, weights(model)) < 1e-12


def _gradient(
    model: MultimodalModel, point: Mapping[str, Tensor], inputs: dict[str, Tensor], labels: Tensor
) -> dict[str, Tensor]:
    """The gradient of the fused loss where the parameters are `point`."""
    model.load_state_dict(dict(point), strict=False)
    model.zero_grad()
    F.cross_entropy(model(inputs), labels).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def _after(shares: Mapping[str, float], fusion: str, **params: object) -> dict[str, Tensor]:
    model = tiny_model(len(shares), fusion)
    train(fixed_msam(model, OPTIM, shares, rho=RHO, **params), tiny_batches(2, len(shares)))
    return snapshot(model)


SWAPPED = [
    ({"audio": 0.3, "visual": 0.7}, {"audio": 0.7, "visual": 0.3}),
    (
        {"audio": 0.6, "visual": 0.3, "text": 0.1},
        {"audio": 0.15, "visual": 0.25, "text": 0.6},
    ),
]


@fusions
@pytest.mark.parametrize(("shares", "swapped"), SWAPPED, ids=["2", "3"])
def test_scalar_split_does_not_know_which_modality_is_dominant(
    shares: dict[str, float], swapped: dict[str, float], fusion: str
) -> None:
    """Ledger row 4: only the number nu_d reaches the weights in Algorithm 1 as printed."""
    assert not changed(_after(shares, fusion), _after(swapped, fusion))


@fusions
@pytest.mark.parametrize(
    "option", [{"split": "response"}, {"split": "unimodal"}, {"scope": "dominant"}], ids=str
)
@pytest.mark.parametrize(("shares", "swapped"), SWAPPED, ids=["2", "3"])
def test_other_readings_know_which_modality_is_dominant(
    shares: dict[str, float], swapped: dict[str, float], option: dict[str, str], fusion: str
) -> None:
    assert deviation(_after(shares, fusion, **option), _after(swapped, fusion, **option)) > 1e-6


@fusions
@counts
def test_zero_radius_is_joint_training(count: int, fusion: str) -> None:
    model, twin = tiny_model(count, fusion), tiny_model(count, fusion)
    train(MSAM(model, OPTIM, rho=0.0), tiny_batches(4, count))
    train(build_method("joint_train", twin, OPTIM), tiny_batches(4, count))
    assert not changed(snapshot(twin), snapshot(model))


@fusions
@counts
def test_full_share_is_sam(count: int, fusion: str) -> None:
    """nu_d = 1: nothing of the clean gradient is left."""
    model, twin = tiny_model(count, fusion), tiny_model(count, fusion)
    shares = dict.fromkeys(MODALITIES[:count], 0.0) | {"visual": 1.0}
    train(fixed_msam(model, OPTIM, shares, rho=RHO), tiny_batches(4, count))
    train(build_method("sam", twin, OPTIM, rho=RHO), tiny_batches(4, count))
    assert deviation(snapshot(twin), snapshot(model)) < 1e-12


def test_one_modality_alone_is_sam() -> None:
    model, twin = tiny_model(1), tiny_model(1)
    train(MSAM(model, OPTIM, rho=RHO), tiny_batches(4, 1))
    train(build_method("sam", twin, OPTIM, rho=RHO), tiny_batches(4, 1))
    assert deviation(snapshot(twin), snapshot(model)) < 1e-12


@fusions
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"coalitions": "agm"},
        {"absent": "zero_input"},
        {"split": "response", "absent": "zero_input"},
        {"split": "unimodal", "coalitions": "agm"},
        {"scope": "dominant", "residual": "include"},
    ],
    ids=str,
)
def test_batchnorm_records_the_first_pass_only(fusion: str, options: dict[str, str]) -> None:
    """Ledger row 8: its statistics after a step are those of Joint-Train."""
    model, twin = tiny_model(3, fusion), tiny_model(3, fusion)
    [batch] = tiny_batches(1, 3)
    MSAM(model, OPTIM, rho=RHO, **options).step(*batch)
    build_method("joint_train", twin, OPTIM).step(*batch)
    expected, found = dict(twin.named_buffers()), dict(model.named_buffers())
    assert any(name.endswith("num_batches_tracked") for name in expected)
    assert not changed(expected, found)


@pytest.mark.parametrize("split", ["scalar", "response", "unimodal"])
def test_frozen_weights_stay_where_they_are(split: str) -> None:
    """A pretrained encoder without gradient, as features from disk would be."""
    model = tiny_model(2, "early")
    model.encoders["audio"].requires_grad_(False)
    before = weights(model)
    train(MSAM(model, OPTIM, rho=RHO, split=split), tiny_batches(2))
    kept = {name for name in before if name.startswith("encoders.audio")}
    assert changed(before, weights(model)) == before.keys() - kept


def test_unused_weights_are_left_alone_as_joint_training_does() -> None:
    """No gradient is not a zero gradient: weight decay and momentum would move the weight."""
    model, twin = tiny_model(), tiny_model()
    for each in (model, twin):
        each.unused = nn.Parameter(torch.ones(3, dtype=torch.float64))
    train(MSAM(model, OPTIM, rho=0.0), tiny_batches(2))
    train(build_method("joint_train", twin, OPTIM), tiny_batches(2))
    assert not changed(weights(twin), weights(model))


class Adapted(nn.Module):
    """W = W_0 + change, both trained: autograd hands out one tensor as the gradient of both."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 30, dtype=torch.float64))
        self.change = nn.Parameter(torch.randn(4, 30, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ (self.weight + self.change).T


@pytest.mark.parametrize("residual", ["exclude", "include"])
def test_weights_that_share_their_gradient_are_updated_once_each(residual: str) -> None:
    model = tiny_model()
    model.encoders["audio"] = Adapted()
    twin = copy.deepcopy(model)
    shares, [batch] = (0.3, 0.7), tiny_batches()
    method = fixed_msam(model, OPTIM, {"audio": 0.3, "visual": 0.7}, rho=RHO, residual=residual)
    method.step(*batch)
    Algorithm1(twin, OPTIM, all_losses=residual == "include").step(shares, batch)
    assert deviation(snapshot(twin), snapshot(model)) < 1e-12
