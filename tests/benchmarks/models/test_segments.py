"""The encoders for features of every second: sizes, what they see, and their modes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchmarks.models import ENCODERS, build_model, encoder_problems
from benchmarks.models.segments import AttentionPooling, segment_lstm, small_segment_lstm
from msam.model import evaluating
from msam.sharpness import perturbed

AUDIO, VISUAL = (10, 128), (10, 7, 7, 512)
SMALL = {"audio": (4, 3), "visual": (4, 2, 2, 5)}


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def small_model(fusion: str = "late", dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(2)
    return build_model(SMALL, 3, fusion, "small_segment_lstm").to(dtype)


def small_batch(rows: int = 6) -> tuple[dict[str, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(3)
    inputs = {
        m: torch.randn(rows, *shape, dtype=torch.float64, generator=generator)
        for m, shape in SMALL.items()
    }
    return inputs, torch.randint(3, (rows * 4,), generator=generator)


def test_parameters_are_those_worked_out_by_hand() -> None:
    lstm = 2 * 4 * (128 * 128 + 128 * 128 + 2 * 128)  # directions, gates, weights, two biases
    attention = 512 * 128 + 128 + 128 + 1
    assert count(segment_lstm(AUDIO)) == 128 * 128 + 128 + lstm == 280_704
    assert count(segment_lstm(VISUAL)) == attention + 512 * 128 + 128 + lstm == 395_649
    assert count(segment_lstm((10, 512))) == 512 * 128 + 128 + lstm


@pytest.mark.parametrize(
    ("fusion", "behind"),
    [
        ("late", 2 * (256 * 29 + 29)),
        # BatchNorm, Maxout of two pieces; again; BatchNorm; classifier
        ("early", 1024 + (512 * 512 + 512) + 512 + (256 * 128 + 128) + 128 + (64 * 29 + 29)),
    ],
)
def test_the_whole_network_has_the_published_width(fusion: str, behind: int) -> None:
    model = build_model({"audio": AUDIO, "visual": VISUAL}, 29, fusion, "segment_lstm")
    assert count(model.fusion) == behind
    assert count(model) == 280_704 + 395_649 + behind
    model.eval()
    logits = model({"audio": torch.randn(2, *AUDIO), "visual": torch.rand(2, *VISUAL)})
    assert logits.shape == (20, 29)


@pytest.mark.parametrize("name", ["segment_lstm", "small_segment_lstm"])
@pytest.mark.parametrize("shape", [(3, 6), (3, 2, 2, 6)])
def test_features_come_sample_by_sample_and_second_by_second(
    name: str, shape: tuple[int, ...]
) -> None:
    encoder = ENCODERS[name].build(shape)
    x = torch.randn(5, *shape)
    features = encoder(x)
    assert features.shape == (5 * 3, ENCODERS[name].width)
    torch.testing.assert_close(features[3 * 2 : 3 * 3], encoder(x[2:3]))


def test_a_second_knows_of_the_seconds_before_and_after_it_in_its_own_clip_only() -> None:
    encoder = small_segment_lstm((4, 3))
    x = torch.randn(2, 4, 3)
    changed = x.clone()
    changed[0, 2] += 1
    moved = (encoder(x) - encoder(changed)).abs().amax(1) > 0
    assert moved.tolist() == [True] * 4 + [False] * 4


def test_attention_is_a_mean_with_weights_that_the_positions_decide() -> None:
    pool = AttentionPooling(2, 3)
    x = torch.randn(1, 1, 2, 2, 2)
    x[0, 0, 1, 1] = x[0, 0, 0, 0]
    scores = pool.score(x.flatten(2, 3)).flatten()
    by_hand = sum(
        weight * position
        for weight, position in zip(scores.softmax(0), x.reshape(4, 2), strict=True)
    )
    torch.testing.assert_close(pool(x)[0, 0], by_hand)
    assert scores[0] == scores[3] != scores[1]
    shuffled = x.reshape(1, 1, 4, 2)[:, :, [2, 0, 3, 1]].reshape(x.shape)
    torch.testing.assert_close(pool(shuffled), pool(x))


def test_linear_layers_start_as_published() -> None:
    for module in segment_lstm(VISUAL).modules():
        if isinstance(module, nn.Linear):
            bound = (6 / (module.in_features + module.out_features)) ** 0.5
            assert not module.bias.any()
            assert 0.9 * bound < module.weight.abs().max() <= bound


def test_the_lstm_stays_in_training_mode_and_nothing_else_does() -> None:
    model = small_model("early")
    with evaluating(model):
        training = {name for name, child in model.named_modules() if child.training}
        assert training == {"encoders.audio.lstm", "encoders.visual.lstm"}
    assert all(child.training for child in model.modules())


def test_evaluation_mode_changes_no_feature() -> None:
    model, (inputs, _) = small_model(), small_batch()
    features = model.encode(inputs)
    with evaluating(model):
        again = model.encode(inputs)
    assert all(torch.equal(features[m], again[m]) for m in features)


def test_perturbing_moves_the_lstm_and_gives_it_back() -> None:
    model, (inputs, _) = small_model(), small_batch()
    params = list(model.parameters())
    before = model(inputs)
    with perturbed(params, [torch.ones_like(p) for p in params], 0.5):
        assert not torch.allclose(model(inputs), before)
    assert torch.equal(model(inputs), before)


def test_second_derivatives_exist() -> None:
    """The sharpness measures need them: the Hessian times a vector, against finite differences."""
    model, (inputs, labels) = small_model(), small_batch()
    params = list(model.parameters())
    vector = [torch.randn_like(p) for p in params]

    def gradient(keep: bool = False) -> tuple[Tensor, ...]:
        loss = nn.functional.cross_entropy(model(inputs), labels)
        return torch.autograd.grad(loss, params, create_graph=keep)

    slope = sum((g * v).sum() for g, v in zip(gradient(keep=True), vector, strict=True))
    product = torch.autograd.grad(slope, params)
    step = 1e-5
    ends = []
    for sign in (1, -1):
        scale = sign * step * torch.stack([v.square().sum() for v in vector]).sum().sqrt()
        with perturbed(params, vector, scale):
            ends.append(gradient())
    for exact, high, low in zip(product, *ends, strict=True):
        torch.testing.assert_close(exact, (high - low) / (2 * step), rtol=1e-4, atol=1e-7)


def test_samples_without_seconds_are_refused() -> None:
    [problem] = encoder_problems({"audio": (10, 128), "visual": (3, 8, 8)}, "segment_lstm")
    assert problem.startswith("encoder segment_lstm takes samples of 2 or 4 axes, but visual has 3")
