"""`sharpened` around loops of one's own: any module, loss and optimiser."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msam.model import MultimodalModel, evaluating, present_only
from msam.msam import MSAM
from msam.shapley import coalitions, dominant_mask, modality_shares, shapley_responses
from msam.sharpness import frozen_batchnorm, set_aside, sharpened
from tests.tiny import (
    OPTIM,
    Batch,
    changed,
    deviation,
    snapshot,
    tiny_batches,
    tiny_model,
    train,
    weights,
)

needs_scaler = pytest.mark.skipif(
    not hasattr(torch.amp, "GradScaler"), reason="before torch 2.3 a GradScaler needs a GPU"
)
fusions = pytest.mark.parametrize("fusion", ["late", "early"])
RHO = 0.3
X, Y = torch.randn(8, 6), torch.randn(8, 2)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2))


def loss_of(model: nn.Module) -> Tensor:
    return F.mse_loss(model(X), Y)


def gradient_after(model: nn.Module, **options: float | Tensor) -> dict[str, Tensor]:
    """What `sharpened` leaves in `.grad`."""
    model.zero_grad()
    loss_of(model).backward()
    with sharpened(model, **options):
        loss_of(model).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def clean_and_sharp(model: nn.Module, rho: float) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """g(theta) and g(theta + rho g / ||g||), written out."""
    twin = copy.deepcopy(model)
    named = dict(twin.named_parameters())
    found = []
    for _ in range(2):
        gradient = torch.autograd.grad(loss_of(twin), list(named.values()))
        found.append(dict(zip(named, gradient, strict=True)))
        norm = torch.cat([g.flatten() for g in gradient]).norm()
        with torch.no_grad():
            for p, g in zip(named.values(), gradient, strict=True):
                p.add_(rho * g / norm)
    return found[0], found[1]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, 1.7])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_gradient_is_the_mix_of_both_points(share: float, as_tensor: bool) -> None:
    model = net()
    before = weights(model)
    found = gradient_after(model, rho=0.5, share=torch.tensor(share) if as_tensor else share)
    clean, sharp = clean_and_sharp(model, 0.5)
    assert not changed(before, weights(model))
    assert deviation(clean, sharp) > 1e-3
    mixed = {n: share * sharp[n] + (1 - share) * clean[n] for n in clean}
    assert deviation(found, mixed) < 1e-6


def own_loop(model: MultimodalModel, batches: list[Batch], **options: str) -> None:
    """M-SAM as a stranger would write it, with SGD and one pass of the fusion per coalition."""
    optimizer = torch.optim.SGD(model.parameters(), OPTIM.lr, OPTIM.momentum, 0, OPTIM.weight_decay)
    for inputs, labels in batches:
        optimizer.zero_grad()
        features = model.encode(inputs)
        F.cross_entropy(model.fusion(features), labels).backward()

        def score(present: frozenset[str], features=features, labels=labels) -> Tensor:
            zeros = {m: torch.zeros_like(phi[:1]) for m, phi in features.items()}
            with evaluating(model):
                logits = model.fusion(present_only(features, zeros, present))
            return logits.softmax(-1).gather(-1, labels[:, None]).mean()

        nu = modality_shares(score, model.modalities, **options)
        with sharpened(model, rho=RHO, share=max(nu.values())):
            F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()


@fusions
@pytest.mark.parametrize("count", [2, 3])
def test_loop_of_ones_own_equals_the_method_bit_for_bit(count: int, fusion: str) -> None:
    """BatchNorm's statistics included, over eight steps."""
    model, twin = tiny_model(count, fusion), tiny_model(count, fusion)
    own_loop(model, tiny_batches(8, count))
    train(MSAM(twin, OPTIM, rho=RHO), tiny_batches(8, count))
    difference = deviation(snapshot(twin), snapshot(model))
    assert difference == 0 if count == 2 else difference < 1e-12  # three heads: another order


@fusions
@pytest.mark.parametrize("split", ["response", "unimodal"])
def test_losses_per_modality_in_a_loop_of_ones_own(split: str, fusion: str) -> None:
    """The recipe of docs/library.md, on plain modules, against the method's option."""
    model, twin = tiny_model(3, fusion), tiny_model(3, fusion)
    names, batches = model.modalities, tiny_batches(3, 3)
    method = MSAM(twin, OPTIM, rho=RHO, split=split)
    train(method, batches)
    optimizer = torch.optim.SGD(model.parameters(), OPTIM.lr, OPTIM.momentum, 0, OPTIM.weight_decay)

    def outputs(features: dict[str, Tensor]) -> dict[frozenset[str], Tensor]:
        zeros = {m: torch.zeros_like(phi[:1]) for m, phi in features.items()}
        with evaluating(model.fusion):
            return {s: model.fusion(present_only(features, zeros, s)) for s in coalitions(names)}

    def losses(features: dict[str, Tensor], labels: Tensor) -> Tensor:
        found = outputs(features)
        alone = {m: found[frozenset([m])] for m in names}
        if split == "unimodal" and fusion == "late":  # the method reads the modality's own head
            alone = model.fusion.modality_logits(features)
        logits = shapley_responses(found, names) if split == "response" else alone
        return torch.stack([F.cross_entropy(z, labels) for z in logits.values()])

    for inputs, labels in batches:
        optimizer.zero_grad()
        features = model.encode(inputs)
        model.fusion(features)  # the pass that BatchNorm records
        per_modality = losses(features, labels)
        detached = {m: phi.detach() for m, phi in features.items()}

        def score(present: frozenset[str], detached=detached, labels=labels) -> Tensor:
            return outputs(detached)[present].softmax(-1).gather(-1, labels[:, None]).mean()

        nu = modality_shares(score, names)
        chosen = dominant_mask(torch.stack(list(nu.values())))
        (per_modality * (1 - chosen)).sum().backward(retain_graph=True)
        with set_aside(model):
            (per_modality * chosen).sum().backward()
            with sharpened(model, rho=RHO, share=1):
                (losses(model.encode(inputs), labels) * chosen).sum().backward()
        optimizer.step()
    assert deviation(snapshot(twin), snapshot(model)) < 1e-12


def test_micro_batches_add_up_to_the_whole_batch() -> None:
    whole, parts = net().double(), net().double()
    x, y = X.double(), Y.double()
    F.mse_loss(whole(x), y).backward()
    with sharpened(whole, rho=RHO, share=0.7):
        F.mse_loss(whole(x), y).backward()

    def accumulate() -> None:
        for rows in torch.arange(8).split(2):
            (F.mse_loss(parts(x[rows]), y[rows]) / 4).backward()

    accumulate()
    with sharpened(parts, rho=RHO, share=0.7):
        accumulate()
    for p, q in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-12, atol=1e-12)


def test_frozen_and_unreached_parameters_get_no_gradient_and_do_not_move() -> None:
    model = net()
    model[0].requires_grad_(False)
    model.unused = nn.Parameter(torch.ones(3))
    before = weights(model)
    loss_of(model).backward()
    with sharpened(model, rho=RHO, share=0.5):
        assert changed(before, weights(model)) == {"2.weight", "2.bias"}
        F.mse_loss(model[2](model[1](model[0](X))), Y).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == [
        "unused",
        "0.weight",
        "0.bias",
    ]


def test_parameter_shared_by_two_modules_moves_and_mixes_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
            self.second.weight = self.first.weight
            self.last = nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.second(self.first(x).tanh()))

    torch.manual_seed(0)
    model = Tied()
    found = gradient_after(model, rho=0.5, share=0.4)
    clean, sharp = clean_and_sharp(model, 0.5)
    assert deviation(found, {n: 0.4 * sharp[n] + 0.6 * clean[n] for n in clean}) < 1e-6


@pytest.mark.parametrize("share", [0.25, torch.tensor(0.25)], ids=["number", "tensor"])
def test_parameter_that_one_pass_reaches_counts_as_zero_in_the_other(share: float) -> None:
    model = nn.ModuleDict({"a": nn.Linear(6, 2), "b": nn.Linear(6, 2), "c": nn.Linear(6, 2)})
    F.mse_loss(model["a"](X) + model["b"](X), Y).backward()
    first = model["b"].weight.grad.clone()
    with sharpened(model, rho=0.0, share=share):
        F.mse_loss(model["a"](X) + model["c"](X), Y).backward()
        second = model["c"].weight.grad.clone()
    torch.testing.assert_close(model["b"].weight.grad, 0.75 * first)
    torch.testing.assert_close(model["c"].weight.grad, 0.25 * second)


def test_zero_gradients_do_not_move_the_weights() -> None:
    model = net()
    before = weights(model)
    (0 * loss_of(model)).backward()
    with sharpened(model, rho=RHO, share=0.5):
        assert not changed(before, weights(model))
        loss_of(model).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_direction_decides_what_moves_and_where_to() -> None:
    model = net()
    before, bias = weights(model), model[2].bias
    loss_of(model).backward()
    with sharpened(model, rho=RHO, share=0.5, direction={bias: torch.tensor([3.0, 4.0])}):
        moved = weights(model)
        loss_of(model).backward()
    assert changed(before, moved) == {"2.bias"}
    torch.testing.assert_close(moved["2.bias"] - before["2.bias"], RHO * torch.tensor([0.6, 0.8]))


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.InstanceNorm1d], ids=lambda k: k.__name__)
def test_second_pass_leaves_recorded_statistics_alone(kind: type[nn.Module]) -> None:
    model = nn.Sequential(nn.Conv1d(3, 4, 2), kind(4, track_running_stats=True), nn.Flatten())
    x = torch.randn(5, 3, 7)
    model(x).square().mean().backward()
    once = {name: b.clone() for name, b in model.named_buffers()}
    with sharpened(model, rho=RHO, share=0.5):
        model(x).square().mean().backward()
    assert not changed(once, dict(model.named_buffers()))
    with frozen_batchnorm(model), frozen_batchnorm(model):
        model(x)
    assert not changed(once, dict(model.named_buffers()))
    model(x)
    assert changed(once, dict(model.named_buffers()))


@needs_scaler
@pytest.mark.parametrize("share", [1, 0.6])
@pytest.mark.parametrize("bad", [torch.inf, torch.nan])
def test_scaler_skips_the_step_where_a_gradient_is_not_finite(share: float, bad: float) -> None:
    """And the next step is taken: nothing in model or optimiser has become NaN."""
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))
    optimizer = torch.optim.AdamW(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    before, states = weights(model), []
    for poison in (bad, 1.0):
        scaler.scale(loss_of(model)).backward()
        model[0].weight.grad[0, 0] *= poison
        with sharpened(model, rho=RHO, share=share):
            scaler.scale(loss_of(model)).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        states.append(snapshot(model))
    assert not changed(before, {n: states[0][n] for n in before})
    assert changed(before, {n: states[1][n] for n in before}) == before.keys()
    assert all(torch.isfinite(value).all() for value in states[1].values())


@needs_scaler
def test_scaler_leaves_the_gradient_of_a_step_without_it() -> None:
    """The direction does not depend on the scale, and both gradients have the same one."""
    plain, scaled = net().double(), net().double()
    scaler = torch.amp.GradScaler("cpu")
    for model, scale in ((plain, lambda x: x), (scaled, scaler.scale)):
        scale(F.mse_loss(model(X.double()), Y.double())).backward()
        with sharpened(model, rho=RHO, share=0.6):
            scale(F.mse_loss(model(X.double()), Y.double())).backward()
    scaler.unscale_(torch.optim.SGD(scaled.parameters(), 0.1))
    for p, q in zip(plain.parameters(), scaled.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-12, atol=1e-12)


def test_weights_come_back_when_the_second_pass_raises() -> None:
    model = net()
    before = weights(model)
    loss_of(model).backward()
    with (
        pytest.raises(RuntimeError, match="inside"),
        sharpened(model, rho=RHO, share=0.5),
    ):
        raise RuntimeError("inside")
    assert not changed(before, weights(model))


def _no_first(model: nn.Module) -> None:
    with sharpened(model, rho=RHO, share=0.5):
        loss_of(model).backward()


def _no_second(model: nn.Module) -> None:
    loss_of(model).backward()
    with sharpened(model, rho=RHO, share=0.5):
        pass


def _sparse(model: nn.Module) -> None:
    model.table = nn.Embedding(4, 6, sparse=True)
    model[:3](model.table(torch.tensor([1, 2]))).sum().backward()
    with sharpened(model, rho=RHO, share=0.5):
        pass


def _sharded(model: nn.Module) -> None:
    loss_of(model).backward()
    model[0].weight._is_flat_param = True
    with sharpened(model, rho=RHO, share=0.5):
        pass


def _with(**options: object) -> Callable[[nn.Module], None]:
    def misuse(model: nn.Module) -> None:
        gradient_after(model, **{"rho": RHO, "share": 0.5, **options})

    return misuse


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (_no_first, "before"),
        (_no_second, "second pass"),
        (_sparse, r"table\.weight.*sparse"),
        (_sharded, r"0\.weight.*sharded"),
        (_with(rho=-0.1), "rho is -0.1"),
        (_with(rho=torch.nan), "rho is nan"),
        (_with(share=torch.inf), "share is inf"),
        (_with(share=torch.tensor([0.5, 0.5])), r"share has the shape \(2,\)"),
    ],
)
def test_misuse_is_named(misuse: Callable[[nn.Module], None], message: str) -> None:
    model = net()
    before = weights(model)
    with pytest.raises(ValueError, match=message):
        misuse(model)
    assert not changed(before, {n: p for n, p in weights(model).items() if n in before})
