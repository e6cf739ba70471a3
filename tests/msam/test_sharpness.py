"""The perturbation (Eq. 9) and the frozen normalisation statistics of the second pass."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from msam.model import evaluating
from msam.sharpness import frozen_batchnorm, global_norm, perturbed
from tests.tiny import changed, snapshot, tiny_batches, tiny_model, weights

RHO = 0.05


def float32_net() -> nn.Module:
    return nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3))


def random_direction(net: nn.Module) -> list[Tensor]:
    return [torch.randn_like(p) for p in net.parameters()]


def test_weights_come_back_bit_for_bit() -> None:
    net = float32_net()
    before = weights(net)
    with perturbed(net.parameters(), random_direction(net), RHO):
        assert changed(before, weights(net)) == before.keys()
    assert not changed(before, weights(net))


def test_weights_come_back_bit_for_bit_after_an_exception() -> None:
    net = float32_net()
    before = weights(net)
    with (
        pytest.raises(RuntimeError, match="inside"),
        perturbed(net.parameters(), random_direction(net), RHO),
    ):
        raise RuntimeError("inside")
    assert not changed(before, weights(net))


def test_weights_come_back_from_an_infinite_perturbation() -> None:
    net = float32_net()
    before = weights(net)
    direction = random_direction(net)
    direction[0][0, 0] = math.inf
    with perturbed(net.parameters(), direction, RHO):
        pass
    assert not changed(before, weights(net))


def test_radius_is_rho_over_all_tensors_jointly() -> None:
    net = float32_net().double()
    before = weights(net)
    with perturbed(net.parameters(), random_direction(net), RHO):
        moved = weights(net)
    distance = math.sqrt(sum((moved[k] - before[k]).square().sum().item() for k in before))
    assert distance == pytest.approx(RHO, rel=1e-10)


def test_perturbation_points_along_the_direction_whatever_its_length() -> None:
    net = float32_net().double()
    direction = random_direction(net)
    before, length = weights(net), global_norm(direction).item()
    for factor in (1.0, 1e4):
        with perturbed(net.parameters(), [factor * d for d in direction], RHO):
            moved = weights(net)
        for name, d in zip(before, direction, strict=True):
            torch.testing.assert_close(moved[name] - before[name], RHO * d / length)


def test_radius_may_be_a_tensor() -> None:
    net = float32_net()
    direction = random_direction(net)
    with perturbed(net.parameters(), direction, RHO):
        number = weights(net)
    with perturbed(net.parameters(), direction, torch.tensor(RHO)):
        tensor = weights(net)
    assert not changed(number, tensor)


def test_live_tensors_keep_their_memory() -> None:
    net = float32_net()
    pointers = [p.data_ptr() for p in net.parameters()]
    with perturbed(net.parameters(), random_direction(net), RHO):
        assert [p.data_ptr() for p in net.parameters()] == pointers
    assert [p.data_ptr() for p in net.parameters()] == pointers


def test_direction_is_left_as_it_was() -> None:
    net = float32_net()
    direction = random_direction(net)
    copies = [d.clone() for d in direction]
    with perturbed(net.parameters(), direction, RHO):
        pass
    assert all(map(torch.equal, direction, copies))


def test_zero_direction_does_not_move_the_weights() -> None:
    net = float32_net()
    before = weights(net)
    with perturbed(net.parameters(), [torch.zeros_like(p) for p in net.parameters()], RHO):
        assert not changed(before, weights(net))


def test_nested_perturbations_unwind_one_by_one() -> None:
    net = float32_net()
    before = weights(net)
    with perturbed(net.parameters(), random_direction(net), RHO):
        outer = weights(net)
        with perturbed(net.parameters(), random_direction(net), RHO):
            pass
        assert not changed(outer, weights(net))
    assert not changed(before, weights(net))


NORMALISATIONS = {
    "batchnorm1d": (lambda: nn.BatchNorm1d(4), (6, 4)),
    "batchnorm2d": (lambda: nn.BatchNorm2d(4), (6, 4, 3, 3)),
    "cumulative": (lambda: nn.BatchNorm1d(4, momentum=None), (6, 4)),
}


@pytest.fixture(params=NORMALISATIONS)
def layer_and_batch(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    build, shape = NORMALISATIONS[request.param]
    return build().double(), 2 + 3 * torch.randn(shape, dtype=torch.float64)


def test_frozen_layer_records_nothing(layer_and_batch: tuple[nn.Module, Tensor]) -> None:
    """Neither the running statistics nor num_batches_tracked."""
    layer, batch = layer_and_batch
    before = snapshot(layer)
    with frozen_batchnorm(layer):
        layer(batch)
    assert not changed(before, snapshot(layer))


def test_frozen_layer_normalises_by_the_batch(layer_and_batch: tuple[nn.Module, Tensor]) -> None:
    layer, batch = layer_and_batch
    with frozen_batchnorm(layer):
        frozen = layer(batch)
    assert torch.equal(frozen, layer(batch))


def test_layer_records_again_afterwards(layer_and_batch: tuple[nn.Module, Tensor]) -> None:
    layer, batch = layer_and_batch
    before = snapshot(layer)
    with frozen_batchnorm(layer):
        pass
    layer(batch)
    assert {"running_mean", "running_var"} <= changed(before, snapshot(layer))


def test_layer_records_again_after_an_exception() -> None:
    layer = nn.BatchNorm1d(4)
    with pytest.raises(RuntimeError, match="inside"), frozen_batchnorm(layer):
        raise RuntimeError("inside")
    layer(torch.randn(6, 4))
    assert layer.num_batches_tracked == 1


def test_nested_freezing_lasts_until_the_outer_end() -> None:
    """The guard in common use stores the frozen state as the backup and never thaws."""
    layer, batch = nn.BatchNorm1d(4), torch.randn(6, 4)
    with frozen_batchnorm(layer):
        with frozen_batchnorm(layer):
            layer(batch)
        layer(batch)
        assert layer.num_batches_tracked == 0
    layer(batch)
    assert layer.num_batches_tracked == 1


def test_layer_in_evaluation_mode_is_left_alone() -> None:
    """It normalises by its running statistics inside as outside."""
    layer, batch = nn.BatchNorm1d(4).eval(), torch.randn(6, 4)
    before = snapshot(layer)
    with frozen_batchnorm(layer):
        assert torch.equal(layer(batch), layer(batch))
        torch.testing.assert_close(layer(batch), batch, rtol=1e-4, atol=1e-4)
    assert not layer.training
    assert not changed(before, snapshot(layer))


def test_layer_without_statistics_stays_without() -> None:
    layer = nn.BatchNorm1d(4, track_running_stats=False)
    with frozen_batchnorm(layer):
        layer(torch.randn(6, 4))
    assert not layer.track_running_stats


def test_frozen_layer_can_be_evaluated_inside() -> None:
    """M-SAM does so: an absent modality is encoded in evaluation mode within the second pass."""
    layer, batch = nn.BatchNorm1d(4), torch.randn(6, 4)
    with evaluating(layer):
        outside = layer(batch)
    with frozen_batchnorm(layer), evaluating(layer):
        assert torch.equal(layer(batch), outside)
    assert layer.num_batches_tracked == 0


def test_freezing_reaches_every_layer_of_a_model() -> None:
    model = tiny_model(3, "early")
    before = snapshot(model)
    [(inputs, _)] = tiny_batches(1, 3)
    with frozen_batchnorm(model):
        model(inputs)
    assert not changed(before, snapshot(model))
