"""What goes wrong in loops of one's own: overflow, errors in the second pass, odd layers."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from msam import MSAM, MSAMOptimizer, contributions, evaluating, modality_shares
from msam.sharpness import frozen_batchnorm, set_aside, sharpened
from tests.tiny import OPTIM, changed, snapshot, tiny_batches, tiny_model, weights

X, Y = torch.randn(8, 4), torch.randn(8, 2)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))


def loss_of(model: nn.Module) -> Tensor:
    return F.mse_loss(model(X.to(model[0].weight.dtype)), Y.to(model[0].weight.dtype))


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters()}


class Merging(nn.Linear):
    """As a LoRA layer: evaluation mode merges its update into the weight, training undoes it."""

    merged = False

    def train(self, mode: bool = True) -> Merging:
        if self.merged == mode:
            self.weight.data += 1.0 if not mode else -1.0
            self.merged = not mode
        return super().train(mode)


@pytest.mark.parametrize("first_in_training", [True, False])
def test_evaluating_undoes_what_an_override_of_train_does(first_in_training: bool) -> None:
    model = nn.Sequential(Merging(4, 4), Merging(4, 4), nn.BatchNorm1d(4)).train()
    model[0].train(first_in_training)
    model[2].eval()
    before = weights(model)
    modes = [child.training for child in model.modules()]
    with evaluating(model):
        assert model[0].merged and model[1].merged
    assert [child.training for child in model.modules()] == modes
    assert [child.merged for child in model[:2]] == [not first_in_training, False]
    torch.testing.assert_close(weights(model), before)


@pytest.mark.parametrize("share", [0.0, 0.5, 1, torch.tensor(1.0)])
@pytest.mark.parametrize("bad", [torch.inf, torch.nan])
def test_infinite_gradients_move_no_weight_and_stay_visible(bad: float, share: float) -> None:
    """NaN weights would poison the buffers of the spectral norm for ever."""
    model = nn.Sequential(spectral_norm(nn.Linear(4, 3)), nn.Linear(3, 2))
    before = weights(model)
    F.mse_loss(model(X), Y).backward()
    model[1].weight.grad[0, 0] = bad
    with sharpened(model, rho=0.5, share=share):
        assert not changed(before, weights(model))
        F.mse_loss(model(X), Y).backward()
    assert not changed(before, weights(model))
    assert not torch.isfinite(model[1].weight.grad).all()
    assert all(torch.isfinite(b).all() for b in model.buffers())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gradients_of_zero_in_half_precision_do_not_move_the_weights(dtype: torch.dtype) -> None:
    model = net().to(dtype)
    before = weights(model)
    (loss_of(model) * 0).backward()
    with sharpened(model, rho=0.5, share=0.5):
        assert not changed(before, weights(model))
        loss_of(model).backward()


@pytest.mark.parametrize(
    ("dtype", "entry"),
    [
        (torch.float16, 3e4),
        (torch.float16, 1e-6),
        (torch.float32, 2.0**75),
        (torch.float32, 2.0**-75),
    ],
)
def test_eps_has_the_length_rho_where_squares_leave_the_range(
    dtype: torch.dtype, entry: float
) -> None:
    """Below the floor of 1e-12 eps may be shorter, but it must not be undefined."""
    model = nn.Linear(8, 8, bias=False).to(dtype)
    nn.init.zeros_(model.weight)
    model.weight.grad = torch.full_like(model.weight, entry)
    with sharpened(model, rho=0.5, share=0.5):
        length = model.weight.double().norm().item()
        model.weight.grad = torch.ones_like(model.weight)
    assert length == pytest.approx(0.5, rel=1e-2) or (entry < 1e-12 and 0 < length < 0.5)


def test_a_direction_of_another_shape_is_refused_and_nothing_has_moved() -> None:
    model = net()
    loss_of(model).backward()
    before, clean = weights(model), gradients(model)
    direction = {p: p.grad for p in model.parameters()}
    direction[model[2].bias] = torch.ones(7)
    with (
        pytest.raises(ValueError, match=r"\(7,\).*\(2,\)"),
        sharpened(model, rho=1.0, share=0.5, direction=direction),
    ):
        pass
    assert not changed(before, weights(model))
    assert not changed(clean, gradients(model))


def test_weights_come_back_when_the_move_itself_fails() -> None:
    model = net()
    loss_of(model).backward()
    before = weights(model)
    direction = {p: p.grad for p in model.parameters()}
    direction[model[2].bias] = torch.ones(2, dtype=torch.complex64)  # cannot be added to a float
    with (
        pytest.raises(RuntimeError),
        sharpened(model, rho=1.0, share=0.5, direction=direction),
    ):
        pass
    assert not changed(before, weights(model))


@pytest.mark.parametrize("block", ["sharpened", "set_aside"])
def test_the_clean_gradient_comes_back_when_the_block_raises(block: str) -> None:
    model = net()
    loss_of(model).backward()
    clean = gradients(model)
    around = set_aside(model) if block == "set_aside" else sharpened(model, rho=0.5, share=0.5)
    with pytest.raises(KeyboardInterrupt), around:
        (2 * loss_of(model)).backward()
        raise KeyboardInterrupt
    assert not changed(clean, gradients(model))


def test_the_clean_gradient_comes_back_when_there_was_no_second_pass() -> None:
    model = net()
    loss_of(model).backward()
    clean = gradients(model)
    with pytest.raises(ValueError, match="second pass"), sharpened(model, rho=0.5, share=0.5):
        pass
    assert not changed(clean, gradients(model))


@pytest.mark.parametrize("scripted", [False, True])
def test_a_layer_that_is_switched_to_training_inside_records_nothing(scripted: bool) -> None:
    layer = nn.BatchNorm1d(4)
    model = nn.Sequential(torch.jit.script(layer) if scripted else layer).eval()
    before = snapshot(model)
    with frozen_batchnorm(model):
        model.train()
        model(X)
    assert not changed(before, snapshot(model))
    model(X)
    assert changed(before, snapshot(model))


def wrapped(model: nn.Module, **options: object) -> MSAMOptimizer:
    return MSAMOptimizer(model, torch.optim.AdamW(model.parameters(), 0.05), rho=0.3, **options)


def step(model: nn.Module, optimizer: MSAMOptimizer) -> None:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    optimizer.step(closure)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_of_model_and_optimizer_trains_on_alike(how: object) -> None:
    model = net()
    optimizer = wrapped(model)
    step(model, optimizer)
    twin, other = how((model, optimizer))
    step(model, optimizer)
    assert changed(snapshot(model), snapshot(twin))
    step(twin, other)
    assert not changed(snapshot(model), snapshot(twin))


def test_groups_and_state_stay_those_of_the_wrapped_optimizer_when_it_loads() -> None:
    model = net()
    optimizer = wrapped(model)
    step(model, optimizer)
    optimizer.optimizer.load_state_dict(optimizer.optimizer.state_dict())
    assert optimizer.param_groups is optimizer.optimizer.param_groups
    assert optimizer.state is optimizer.optimizer.state


def test_an_optimizer_that_runs_the_closure_itself_is_refused() -> None:
    model = net()
    with pytest.raises(ValueError, match="LBFGS"):
        MSAMOptimizer(model, torch.optim.LBFGS(model.parameters()), rho=0.3)


def test_parameters_that_the_model_does_not_have_are_refused() -> None:
    model, criterion = net(), nn.Linear(2, 2)
    both = torch.optim.SGD([*model.parameters(), *criterion.parameters()], 0.1)
    with pytest.raises(ValueError, match="ModuleList"):
        MSAMOptimizer(model, both, rho=0.3)
    assert len(both.param_groups) == 1
    optimizer = MSAMOptimizer(nn.ModuleList([model, criterion]), both, rho=0.3)
    assert len(optimizer.param_groups) == 1
    with pytest.raises(ValueError, match="ModuleList"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(3))]})
    assert len(optimizer.param_groups) == 1


def test_a_checkpoint_of_pytorch_fills_a_fresh_optimizer() -> None:
    model = net()
    optimizer = wrapped(model)
    before = weights(model)
    found = get_optimizer_state_dict(model, optimizer)
    assert set(found["state"]) == {name for name, _ in model.named_parameters()}
    assert not changed(before, weights(model))


def test_unknown_negatives_are_refused() -> None:
    with pytest.raises(ValueError, match="sofmax"):
        modality_shares(lambda present: 0.5, ("a", "b"), negatives="sofmax")
    with pytest.raises(ValueError, match="sofmax"):
        contributions({"a": torch.tensor(1.0)}, "sofmax")


@pytest.mark.parametrize("negatives", ["clip", "raw", "softmax"])
@pytest.mark.parametrize("bad", [{"a"}, {"a", "b"}])
def test_a_score_of_nan_gives_shares_of_nan(bad: set[str], negatives: str) -> None:
    nu = modality_shares(
        lambda s: float("nan") if s == bad else 0.5, ("a", "b"), negatives=negatives
    )
    assert all(share.isnan() for share in nu.values())
    nu = modality_shares(lambda s: float("inf"), ("a", "b"), negatives=negatives)
    assert all(share.isnan() for share in nu.values())


def test_scores_that_are_numbers_go_where_the_others_are() -> None:
    nu = modality_shares(lambda s: 0.5 if s == {"a"} else torch.ones((), device="meta"), ("a", "b"))
    assert {share.device.type for share in nu.values()} == {"meta"}


@pytest.mark.parametrize(
    ("backends", "place"), [("cpu:gloo,meta:x", "cpu"), ("cpu:gloo", "cpu"), ("meta:x", "meta")]
)
def test_scores_are_averaged_on_a_device_that_the_processes_can_reach(
    backends: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NCCL alone has no CPU. The device `meta` stands for the GPU."""
    devices = []
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 1)
    monkeypatch.setattr(torch.distributed, "get_backend_config", lambda: backends)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda x: devices.append(x.device.type))
    modality_shares(lambda present: 0.5, ("a", "b"))
    assert devices == [place]


@pytest.mark.parametrize("score", [None, "0.5", {"a": 0.5}])
def test_a_score_that_is_no_number_is_named(score: object) -> None:
    with pytest.raises(ValueError, match=r"score\(\['a'\]\) is"):
        modality_shares(lambda present: score, ("a", "b"))


@pytest.mark.parametrize("value", [None, "0.5", {"a": torch.tensor(0.5)}])
@pytest.mark.parametrize("name", ["rho", "share"])
def test_what_is_no_number_is_named(name: str, value: object) -> None:
    model = net()
    loss_of(model).backward()
    hint = r"max\(nu.values\(\)\)" if name == "share" else "rho is"
    with (
        pytest.raises(ValueError, match=hint),
        sharpened(model, **{"rho": 0.1, "share": 0.5, name: value}),
    ):
        pass


class EveryOther(nn.Module):
    """Uses its second layer in odd or in even calls only."""

    def __init__(self, width: int, odd: int) -> None:
        super().__init__()
        self.first, self.second, self.calls = nn.Linear(width, width), nn.Linear(width, width), odd

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.first(x) + (self.second(x) if self.calls % 2 else 0)


@pytest.mark.parametrize("odd", [0, 1])
def test_including_the_residual_where_one_pass_misses_a_parameter(odd: int) -> None:
    model = tiny_model(2, "late")
    name = model.modalities[0]
    [(inputs, labels)] = tiny_batches(1, 2)
    width = model.encode(inputs)[name].shape[1]
    model.encoders[name] = nn.Sequential(model.encoders[name], EveryOther(width, odd).double())
    layer = model.encoders[name][1].second
    MSAM(model, OPTIM, residual="include").step(inputs, labels)
    assert torch.isfinite(layer.weight.grad).all()
    assert layer.weight.grad.any()
