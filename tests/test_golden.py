"""The package against the golden vectors. Each file's `what` says what its numbers mean."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.registry import build_method
from benchmarks.models import build_model
from msam.model import EarlyFusion, LateFusion, Maxout, MultimodalModel
from msam.optim import OptimConfig
from msam.shapley import contributions, mono_modal_responses, shapley_responses
from tests.golden_format import (
    ConvEncoder,
    Trajectory,
    assert_golden,
    assert_parameters,
    f64,
    golden,
    load,
)
from tests.tiny import ConcatFusion, changed, fixed_msam, watched_passes

Case = dict[str, Any]


def _game(case: Case) -> tuple[dict[frozenset[str], Tensor], tuple[str, ...]]:
    """The value of each coalition, and the modalities."""
    values = {
        frozenset(key.split(",")) if key else frozenset(): f64(value)
        for key, value in case["inputs"]["values"].items()
    }
    return values, tuple(map(str, range(case["inputs"]["M"])))


def _stacked(responses: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(responses.values()))


@golden("shapley_exact")
def test_corrected_responses(case: Case) -> None:
    responses = _stacked(shapley_responses(*_game(case), empty="zero"))
    assert_golden(responses, case["outputs"]["phi_corrected"])
    assert_golden(responses.sum(0), case["outputs"]["sum_corrected"])


@golden("shapley_exact")
def test_shapley_value_proper(case: Case) -> None:
    responses = shapley_responses(*_game(case), empty="value")
    assert_golden(_stacked(responses), case["outputs"]["phi_true_shapley"])


@golden("shapley_exact")
def test_responses_of_equation_17_as_printed(case: Case) -> None:
    responses = _stacked(shapley_responses(*_game(case), empty="printed"))
    assert_golden(responses, case["outputs"]["phi_eq17_as_printed"])
    assert_golden(responses.sum(0), case["outputs"]["sum_eq17_as_printed"])


@golden("shapley_exact")
def test_contributions_of_equation_20_as_printed(case: Case) -> None:
    responses = shapley_responses(*_game(case))
    shares = _stacked(contributions(responses, negatives="raw"))
    defined = (f64(case["outputs"]["sum_corrected"]).abs() > 1e-6).expand_as(shares)
    assert_golden(shares[defined], f64(case["outputs"]["v_normalised"])[defined])


@golden("agm_shapley_2")
def test_agm_responses_of_two_modalities(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    values = {
        frozenset({"audio", "visual"}): f64(given["full"]),
        frozenset({"visual"}): f64(given["audio_zeroed"]),
        frozenset({"audio"}): f64(given["visual_zeroed"]),
    }
    responses = shapley_responses(values, ("audio", "visual"))
    for m, response in responses.items():
        assert_golden(response, expected[f"response_{m}"], m)
    assert_golden(sum(responses.values()), expected["response_sum"])


@golden("agm_shapley_3")
def test_agm_responses_of_three_modalities(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    names = {"a": "audio", "v": "visual", "t": "text"}
    values = {frozenset(names.values()): f64(given["full"])}
    for key in given.keys() - {"full"}:
        zeroed = {names[letter] for letter in key.removeprefix("zero_")}
        values[frozenset(names.values()) - zeroed] = f64(given[key])
    responses = shapley_responses(values, tuple(names.values()))
    proper = shapley_responses(values, tuple(names.values()), empty="value")
    for m in names.values():
        assert_golden(responses[m], expected[f"response_{m}"], m)
        assert_golden(proper[m], expected[f"marginal_{m}"], f"marginal {m}")
    assert_golden(sum(responses.values()), expected["response_sum"])


@contextmanager
def _fused_logits(model: MultimodalModel) -> Iterator[list[Tensor]]:
    """Lists the logits of every pass through the fusion module."""
    seen: list[Tensor] = []
    handle = model.fusion.register_forward_hook(lambda _m, _x, logits: seen.append(logits.detach()))
    try:
        yield seen
    finally:
        handle.remove()


def _distance(left: dict[str, Tensor], right: dict[str, Tensor]) -> float:
    return math.sqrt(sum((left[k] - right[k]).square().sum().item() for k in left))


@golden("msam_step")
def test_msam_steps(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    setup = Trajectory(given)
    method = fixed_msam(setup.model, setup.optim, {}, rho=given["rho"])
    for t, (inputs, labels) in enumerate(setup.batches):
        method.shares = dict(zip(setup.modalities, given["v"][t], strict=True))
        with watched_passes(setup.model) as passes, _fused_logits(setup.model) as logits:
            method.step(inputs, labels)
        clean, moved = passes
        assert_golden(_distance(clean, moved), expected["eps_norm"][t], "eps_norm")
        losses = [F.cross_entropy(z, labels) for z in logits]
        assert_golden(losses[0], expected["loss_clean"][t], "loss_clean")
        assert_golden(losses[1], expected["loss_perturbed"][t], "loss_perturbed")
        assert_parameters(setup.parameters(), expected["params"][t])


@golden("msam_step")
def test_msam_dominant_modality(case: Case) -> None:
    """Seen from outside: under scope='dominant' only the dominant modality's weights move."""
    given = case["inputs"]
    setup = Trajectory(given)
    inputs, labels = setup.batches[0]
    for shares, dominant in zip(given["v"], case["outputs"]["dominant"], strict=True):
        method = fixed_msam(
            setup.model,
            setup.optim,
            dict(zip(setup.modalities, shares, strict=True)),
            rho=0.1,
            scope="dominant",
        )
        with watched_passes(setup.model) as passes:
            method.step(inputs, labels)
        moved = changed(*passes)
        assert moved
        assert all(name.startswith(f"encoders.{dominant}.") for name in moved)


@golden("sam_trajectory")
def test_sam_trajectory(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    assert not given["adaptive"], "adaptive SAM is another method"
    setup = Trajectory(given)
    method = build_method("sam", setup.model, setup.optim, rho=given["rho"])
    for t, (inputs, labels) in enumerate(setup.batches):
        with watched_passes(setup.model) as passes, _fused_logits(setup.model) as logits:
            metrics = method.step(inputs, labels)
        assert_golden(_distance(*passes), expected["perturbation_norm"][t], "perturbation_norm")
        assert_golden(metrics["loss_mm"], expected["loss_clean"][t], "loss_clean")
        perturbed_loss = F.cross_entropy(logits[1], labels)
        assert_golden(perturbed_loss, expected["loss_perturbed"][t], "loss_perturbed")
        assert_parameters(setup.parameters(), expected["params"][t])


def _joint_model(given: Case) -> tuple[MultimodalModel, dict[str, Tensor]]:
    encoders = {"audio": ConvEncoder(padding=1), "visual": ConvEncoder(padding=1)}
    if given["fusion"] == "concat":
        fusion: nn.Module = ConcatFusion(8, given["classes"])
        layers = {"fusion_module.fc_out": fusion.head}
    else:
        fusion = LateFusion({"audio": 4, "visual": 4}, given["classes"])
        layers = {
            "fusion_module.fc_x": fusion.heads["audio"],
            "fusion_module.fc_y": fusion.heads["visual"],
        }
    model = MultimodalModel(encoders, fusion).double()
    layers |= {f"{m}_net.conv": encoder.conv for m, encoder in encoders.items()}
    named = {
        f"{layer}.{n}": p for layer, module in layers.items() for n, p in module.named_parameters()
    }
    load(named, given["params"])
    return model, named


def _unimodal_losses(
    model: MultimodalModel, inputs: dict[str, Tensor], labels: Tensor
) -> dict[str, Tensor]:
    """OGM-GE's split of the fused logits: own head and bias, or W_m phi_m + b / 2 for one layer."""
    features = model.encode(inputs)
    absent = model.absent_features(inputs, features, "zero_feature")
    if isinstance(model.fusion, LateFusion):
        logits = model.modality_logits(features, absent)
    else:
        logits = mono_modal_responses(model.fusion, features, absent)
    return {m: F.cross_entropy(z, labels) for m, z in logits.items()}


@golden("joint_trajectory")
def test_joint_training_trajectory(case: Case) -> None:
    given = case["inputs"]
    model, named = _joint_model(given)
    optim = OptimConfig(lr=0.05, momentum=0.9, weight_decay=1e-4)
    method = build_method("joint_train", model, optim)
    for batch, expected in zip(given["batches"], case["outputs"]["steps"], strict=True):
        inputs = {m: f64(batch[m])[:, None] for m in model.modalities}
        labels = torch.tensor(batch["labels"])
        unimodal = _unimodal_losses(model, inputs, labels)
        metrics = method.step(inputs, labels)
        assert_golden(metrics["loss_mm"], expected["loss"], "loss")
        assert_golden(unimodal["audio"], expected["loss_a"], "loss_a")
        assert_golden(unimodal["visual"], expected["loss_v"], "loss_v")
        assert_parameters(named, expected["params"])


@golden("agm_maxout")
def test_maxout_layer(case: Case) -> None:
    given = case["inputs"]
    layer = Maxout(given["d_in"], given["d_out"], given["pieces"]).double()
    load(dict(layer.linear.named_parameters()), {k: given[k] for k in ("weight", "bias")})
    assert_golden(layer(f64(given["x"])), case["outputs"]["y"])


def _early_fusion(given: Case) -> tuple[EarlyFusion, dict[str, nn.Module]]:
    hidden = [len(given[layer]["bias"]) // given["pieces"] for layer in ("maxout1", "maxout2")]
    fusion = EarlyFusion({"x": len(given["x"][0])}, 2, hidden=hidden, dropout=0.0).double()
    layers = dict(
        zip(("bn_in", "maxout1", "bn_mid", "_", "maxout2", "bn_out"), fusion.block, strict=False)
    )
    for name in ("maxout1", "maxout2"):
        assert layers[name].pieces == given["pieces"]
        load(dict(layers[name].linear.named_parameters()), given[name])
    for name in ("bn_in", "bn_mid", "bn_out"):
        values = dict(given[name])
        assert layers[name].eps == values.pop("eps")
        assert layers[name].momentum == values.pop("momentum")
        load({key: getattr(layers[name], key) for key in values}, values)
    return fusion, layers


@golden("agm_maxout_block")
def test_early_fusion_block(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    fusion, layers = _early_fusion(given)
    fusion.train(given["mode"] != "eval")
    assert_golden(fusion.block(f64(given["x"])), expected["y"])
    for name in ("bn_in", "bn_mid", "bn_out"):
        for buffer, value in expected.get(name, {}).items():
            assert_golden(layers[name].get_buffer(buffer), value, f"{name}.{buffer}")


def _elements(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


# Encoder, classes and the modalities in the order of the tables' columns.
NETWORKS = {
    "AV-MNIST": ("resnet18", 10, ("audio", "visual")),
    "CREMA-D": ("resnet18", 6, ("audio", "visual")),
    "UR-Funny": ("transformer", 2, ("audio", "visual", "text")),
}
WORDS = 50  # of a sample; the file leaves it open


def _network(given: Case) -> MultimodalModel:
    """A network of AGM as the harness builds it, without memory for weights."""
    encoder, classes, modalities = NETWORKS[given["dataset"]]
    names = [m for m in modalities if given["variant"] in _variants(m)]
    shapes = {m: _sample_shape(given["input_shapes"][m]) for m in names}
    fusion = "early" if given["variant"] == "early, maxout" else "late"
    with torch.device("meta"):
        return build_model(shapes, classes, fusion, encoder)


def _sample_shape(batch_shape: list[str | int]) -> tuple[int, ...]:
    """Without batch and without frames, which AGM has one of."""
    shape = [WORDS if size == "T" else size for size in batch_shape[1:]]
    return (shape[0], *shape[2:]) if len(shape) == 4 else tuple(shape)


def _variants(modality: str) -> tuple[str, ...]:
    late = [f"late, sum of {count} linear heads (all other methods)" for count in ("two", "three")]
    return (*late, "early, maxout", f"{modality} only")


@golden("agm_networks")
def test_network_sizes(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    known = any(given["variant"] in _variants(m) for m in given["input_shapes"])
    if given["dataset"] not in NETWORKS:
        pytest.skip("AVE's positive-sample-propagation network is not offered")
    if not known:
        pytest.skip("late fusion is a sum of heads for every method here, AGM's too")
    component = expected["by_component"]
    parts = {name.replace("_net", "_encoder"): size for name, size in component.items()}
    heads = [size for name, size in parts.items() if name.endswith(("head", "cls"))]
    model = _network(given)
    for m, encoder in model.encoders.items():
        assert _elements(encoder.parameters()) == parts[f"{m}_encoder"]
    if isinstance(model.fusion, EarlyFusion):
        assert _elements(model.fusion.block.parameters()) == parts["mm_encoder"]
    head = model.fusion.heads if isinstance(model.fusion, LateFusion) else model.fusion.classifier
    assert _elements(head.parameters()) == sum(heads)
    assert _elements(model.parameters()) == expected["parameters"]
    assert _elements(model.buffers()) == expected["buffers_elements"]
