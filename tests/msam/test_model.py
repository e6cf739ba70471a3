"""The multimodal network (Eq. 2-3), its fusion modules and evaluation mode."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from msam.model import (
    EarlyFusion,
    Features,
    LateFusion,
    Maxout,
    MultimodalModel,
    evaluating,
    present_only,
)
from tests.tiny import CLASSES, MODALITIES, WIDTHS, ConcatFusion, changed, snapshot, tiny_batches
from tests.tiny import tiny_model as build

fusions = pytest.mark.parametrize("fusion", ["late", "early"])
counts = pytest.mark.parametrize("count", [1, 2, 3])


@fusions
@counts
def test_logits_are_the_fused_features(count: int, fusion: str) -> None:
    model = build(count, fusion).eval()
    [(inputs, _)] = tiny_batches(1, count)
    features = model.encode(inputs)
    assert {m: phi.shape for m, phi in features.items()} == {
        m: (8, WIDTHS[m]) for m in MODALITIES[:count]
    }
    logits = model(inputs)
    assert logits.shape == (8, CLASSES)
    assert torch.equal(logits, model.fusion(features))


def test_modalities_keep_the_order_in_which_they_were_given() -> None:
    encoders = {m: nn.Identity() for m in ("text", "audio", "visual")}
    model = MultimodalModel(encoders, LateFusion(dict.fromkeys(encoders, 2), 2))
    assert model.modalities == ("text", "audio", "visual")


@counts
def test_late_fusion_equals_one_linear_layer_on_the_concatenation(count: int) -> None:
    widths = {m: WIDTHS[m] for m in MODALITIES[:count]}
    late, joint = LateFusion(widths, CLASSES), ConcatFusion(sum(widths.values()), CLASSES)
    with torch.no_grad():
        joint.head.weight.copy_(torch.cat([head.weight for head in late.heads.values()], 1))
        joint.head.bias.copy_(sum(head.bias for head in late.heads.values()))
    features = {m: torch.randn(8, width) for m, width in widths.items()}
    torch.testing.assert_close(late(features), joint(features))


@fusions
def test_fusion_goes_by_name_and_not_by_the_order_of_the_features(fusion: str) -> None:
    module = build(3, fusion).fusion.eval()
    features = {m: torch.randn(8, WIDTHS[m], dtype=torch.float64) for m in MODALITIES}
    assert torch.equal(module(dict(reversed(features.items()))), module(features))


def test_maxout_takes_the_larger_of_neighbouring_rows() -> None:
    layer = Maxout(1, 2)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.tensor([[1.0], [-1.0], [2.0], [0.5]]))
        layer.linear.bias.zero_()
    assert layer(torch.tensor([[3.0], [-2.0]])).tolist() == [[3.0, 6.0], [2.0, -1.0]]


def test_early_fusion_has_the_published_sizes_by_default() -> None:
    block = EarlyFusion({"audio": 512, "visual": 512}, 6).block
    sizes = [layer.linear.out_features for layer in block if isinstance(layer, Maxout)]
    assert sizes == [2 * 2048, 2 * 1024]
    assert [layer.p for layer in block if isinstance(layer, nn.Dropout)] == [0.3, 0.3]
    assert [layer.eps for layer in block if isinstance(layer, nn.BatchNorm1d)] == [1e-4, 1e-5, 1e-5]


@fusions
@counts
def test_modality_parameters_are_the_encoder_and_its_own_head(count: int, fusion: str) -> None:
    model = build(count, fusion)
    for m in model.modalities:
        expected = list(model.encoders[m].parameters())
        if fusion == "late":
            expected += list(model.fusion.heads[m].parameters())
        assert list(map(id, model.modality_parameters(m))) == list(map(id, expected))


def test_late_modality_logits_are_those_of_its_own_head() -> None:
    model = build(3, "late")
    [(inputs, _)] = tiny_batches(1, 3)
    features = model.encode(inputs)
    absent = model.absent_features(inputs, features, "zero_feature")
    alone = model.modality_logits(features, absent)
    for m, head in model.fusion.heads.items():
        assert torch.equal(alone[m], head(features[m]))
    torch.testing.assert_close(sum(alone.values()), model.fusion(features))


def test_early_modality_logits_are_the_fused_ones_with_the_others_absent() -> None:
    model = build(3, "early").eval()
    [(inputs, _)] = tiny_batches(1, 3)
    features = model.encode(inputs)
    absent = model.absent_features(inputs, features, "zero_feature")
    alone = model.modality_logits(features, absent)
    for m in model.modalities:
        kept = {n: phi if n == m else torch.zeros_like(phi) for n, phi in features.items()}
        assert torch.equal(alone[m], model.fusion(kept))


def test_late_fusion_without_a_modality_is_the_sum_of_the_other_heads() -> None:
    model = build(3, "late")
    [(inputs, _)] = tiny_batches(1, 3)
    features = model.encode(inputs)
    absent = model.absent_features(inputs, features, "zero_feature")
    alone = model.modality_logits(features, absent)
    for m in model.modalities:
        others = [alone[n] for n in model.modalities if n != m]
        torch.testing.assert_close(model.logits_without(m, features, absent), sum(others))


def test_early_fusion_without_a_modality_has_zeros_for_it() -> None:
    model = build(3, "early").eval()
    [(inputs, _)] = tiny_batches(1, 3)
    features = model.encode(inputs)
    absent = model.absent_features(inputs, features, "zero_feature")
    for m in model.modalities:
        kept = {n: torch.zeros_like(phi) if n == m else phi for n, phi in features.items()}
        assert torch.equal(model.logits_without(m, features, absent), model.fusion(kept))


class Mean(LateFusion):
    """The mean of the heads, as a method may set it in place of the sum."""

    def forward(self, features: Features) -> torch.Tensor:
        logits = self.modality_logits(features).values()
        return torch.stack(list(logits)).mean(0)


def test_a_fusion_in_place_of_the_sum_decides_what_is_left() -> None:
    model = build(3, "late")
    mean = Mean({}, 0)
    mean.heads = model.fusion.heads
    model.fusion = mean
    [(inputs, _)] = tiny_batches(1, 3)
    features = model.encode(inputs)
    alone = mean.modality_logits(features)
    found = model.logits_without("audio", features, {})
    torch.testing.assert_close(found, (alone["visual"] + alone["text"]) / 2)


def test_present_only_replaces_the_absent_modalities() -> None:
    features = {"audio": torch.ones(4, 2), "visual": torch.ones(4, 3)}
    absent = {"audio": torch.full((1, 2), 5.0), "visual": torch.full((1, 3), 7.0)}
    shown = present_only(features, absent, {"audio"})
    assert torch.equal(shown["audio"], features["audio"])
    assert torch.equal(shown["visual"], torch.full((4, 3), 7.0))


def test_present_only_repeats_the_rows_of_an_absent_sample_segment_by_segment() -> None:
    features = {"audio": torch.ones(6, 2), "visual": torch.ones(6, 1)}
    absent = {"audio": torch.zeros(1, 2), "visual": torch.tensor([[5.0], [6.0], [7.0]])}
    shown = present_only(features, absent, {"audio"})
    assert shown["visual"].flatten().tolist() == [5.0, 6.0, 7.0, 5.0, 6.0, 7.0]
    assert torch.equal(present_only(features, absent, {"visual"})["audio"], torch.zeros(6, 2))


@fusions
def test_zero_input_of_segments_is_the_same_as_zeroing_the_whole_batch(fusion: str) -> None:
    class Seconds(nn.Module):
        """Three segments, each with a bias of its own: (B, 3, 2) -> (B * 3, 2)."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x + torch.tensor([[1.0], [2.0], [3.0]])).flatten(0, 1)

    widths = {"audio": 2, "visual": 2}
    head = LateFusion(widths, 4) if fusion == "late" else EarlyFusion(widths, 4, (3, 3))
    model = MultimodalModel({m: Seconds() for m in widths}, head).eval()
    inputs = {m: torch.randn(5, 3, 2) for m in widths}
    features = model.encode(inputs)
    absent = model.absent_features(inputs, features, "zero_input")
    assert {m: phi.shape for m, phi in absent.items()} == {"audio": (3, 2), "visual": (3, 2)}
    zeroed = model({"audio": inputs["audio"], "visual": torch.zeros(5, 3, 2)})
    assert torch.equal(model.fusion(present_only(features, absent, {"audio"})), zeroed)


def test_zero_feature_stands_for_an_absent_modality_by_zeros() -> None:
    model = build(3)
    [(inputs, _)] = tiny_batches(1, 3)
    absent = model.absent_features(inputs, model.encode(inputs), "zero_feature")
    assert {m: phi.shape for m, phi in absent.items()} == {m: (1, WIDTHS[m]) for m in MODALITIES}
    assert not any(phi.any() for phi in absent.values())


def test_zero_input_stands_for_an_absent_modality_by_the_encoding_of_silence() -> None:
    model = build(3)
    [(inputs, _)] = tiny_batches(1, 3)
    features = model.encode(inputs)
    before = snapshot(model)
    absent = model.absent_features(inputs, features, "zero_input")
    assert not changed(before, snapshot(model))
    assert model.training and not any(phi.requires_grad for phi in absent.values())
    model.eval()
    expected = model.encode({m: torch.zeros_like(x[:1]) for m, x in inputs.items()})
    assert not changed(expected, absent)


def mixed_modes() -> nn.Module:
    """A model in training whose first encoder was switched to evaluation by its owner."""
    model = build(2, "early").train()
    model.encoders["audio"].eval()
    return model


def modes(module: nn.Module) -> dict[str, bool]:
    return {name: child.training for name, child in module.named_modules()}


def test_evaluating_gives_every_submodule_its_own_mode_back() -> None:
    model = mixed_modes()
    before = modes(model)
    with evaluating(model):
        assert not any(modes(model).values())
    assert modes(model) == before
    assert len(set(before.values())) == 2


def test_evaluating_gives_the_modes_back_after_an_exception() -> None:
    model = mixed_modes()
    before = modes(model)
    with pytest.raises(RuntimeError, match="inside"), evaluating(model):
        raise RuntimeError("inside")
    assert modes(model) == before


def test_evaluating_a_part_leaves_the_rest_in_training() -> None:
    model = build(2, "early").train()
    with evaluating(model.fusion):
        assert model.training and model.encoders["audio"].training
        assert not any(modes(model.fusion).values())
