"""The encoder of word sequences: what it reads, what it ignores, and that evaluation is stable."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchmarks.models import build_model
from benchmarks.models.transformer import SequenceEncoder, padding, small_transformer
from benchmarks.training.evaluate import evaluate
from datasets import registry

SIZES = {"width": 8, "layers": 2, "heads": 2, "hidden": 16}


def encoder(masked: bool = False) -> SequenceEncoder:
    return SequenceEncoder(5, masked=masked, **SIZES).eval()


def sentences(words: int = 4) -> Tensor:
    return torch.randn(3, words, 5)


def padded(x: Tensor, rows: int = 3) -> Tensor:
    return torch.cat([x, x.new_zeros(len(x), rows, x.shape[2])], 1)


def by_hand(network: SequenceEncoder, x: Tensor) -> Tensor:
    """Post-norm layers written out for one head at a time, without masks or dropout."""
    words = x @ network.embedding.weight[:, :, 0].T
    for layer in network.layers.layers:
        attention = layer.self_attn
        q, k, v = (words @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, -1)
        heads = []
        for part in torch.arange(q.shape[-1]).chunk(attention.num_heads):
            weights = q[..., part] @ k[..., part].mT / len(part) ** 0.5
            heads.append(weights.softmax(-1) @ v[..., part])
        words = layer.norm1(words + attention.out_proj(torch.cat(heads, -1)))
        words = layer.norm2(words + layer.linear2(layer.linear1(words).relu()))
    return words[:, 0]


def test_it_is_the_published_network_written_out() -> None:
    network, x = encoder(), sentences()
    with torch.no_grad():
        torch.testing.assert_close(network(x), by_hand(network, x), atol=1e-5, rtol=1e-5)


def test_every_layer_starts_with_the_same_weights_as_torch_copies_them() -> None:
    first, second = (dict(layer.named_parameters()) for layer in encoder().layers.layers)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_it_has_torch_s_defaults_and_no_bias_before_the_layers() -> None:
    network = build_model({"text": (4, 300)}, 2, "late", "transformer").encoders["text"]
    layer = network.layers.layers[-1]
    assert len(network.layers.layers) == 8 and layer.self_attn.num_heads == 4
    assert (layer.dropout.p, layer.linear1.out_features, layer.norm_first) == (0.1, 2048, False)
    assert network.embedding.bias is None and network.layers.norm is None


def test_the_first_word_is_read_and_the_order_of_the_others_is_not() -> None:
    network, x = encoder(), sentences()
    with torch.no_grad():
        shuffled = network(x[:, [0, 3, 1, 2]])
        torch.testing.assert_close(shuffled, network(x), atol=1e-6, rtol=1e-5)
        assert not torch.allclose(network(x[:, [1, 0, 2, 3]]), network(x), atol=1e-3)


def test_published_padding_is_read_as_words_and_masked_padding_is_not() -> None:
    x = sentences()
    plain, masked = encoder(), encoder(masked=True)
    with torch.no_grad():
        assert not torch.allclose(plain(padded(x)), plain(x), atol=1e-3)
        torch.testing.assert_close(masked(padded(x)), masked(x), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(masked(padded(x)), by_hand(masked, x), atol=1e-5, rtol=1e-5)


def test_padding_is_what_is_zero_at_the_end_and_never_the_first_word() -> None:
    x = torch.zeros(3, 4, 2)
    x[0, 1, 1] = -1
    x[1, [0, 3]] = 1
    expected = [[False, False, True, True], [False] * 4, [False, True, True, True]]
    assert padding(x).tolist() == expected


def test_a_modality_that_is_absent_gives_finite_features_of_any_length() -> None:
    for network in (encoder(), encoder(masked=True)):
        with torch.no_grad():
            short, long = network(torch.zeros(1, 2, 5)), network(torch.zeros(1, 9, 5))
        assert short.isfinite().all()
        torch.testing.assert_close(short, long, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_evaluation_has_the_rounding_of_training(
    masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, x = encoder(masked), padded(sentences())
    with torch.inference_mode():
        fast, again = network(x), network(x)
    slow = network(x).detach()
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=0)
    assert torch.equal(fast, again) and torch.equal(fast, slow)

    def refused(*_: object) -> None:
        raise AssertionError("torch's fused evaluation was used")

    monkeypatch.setattr(torch, "_transformer_encoder_layer_fwd", refused)
    with torch.inference_mode():
        assert torch.equal(network(x), fast)


def test_gradients_reach_every_weight() -> None:
    network = small_transformer((4, 5))
    network(sentences()).pow(2).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_an_encoder_of_pictures_is_refused_for_words() -> None:
    with pytest.raises(ValueError, match=r"small_cnn takes samples of 3 axes, but text has 2"):
        build_model({"text": (4, 300)}, 2, "late", "small_cnn")
    with pytest.raises(ValueError, match=r"transformer takes samples of 2 axes, but audio has 3"):
        build_model({"audio": (1, 4, 300)}, 2, "late", "transformer")


@pytest.mark.parametrize("fusion", ["late", "early"])
def test_with_fixed_padding_a_prediction_does_not_depend_on_its_neighbours(
    fusion: str, tmp_path
) -> None:
    registry.generate_stand_in("urfunny", tmp_path / "urfunny")
    split = registry.load("urfunny", tmp_path / "urfunny").val
    model = build_model(
        {m: s.shape for m, s in split.inputs.items()}, 2, fusion, "small_transformer"
    )
    assert isinstance(model, nn.Module)
    whole = evaluate(model, split)
    part = evaluate(model, split.subset(torch.arange(0, len(split), 7)))
    for name, predicted in part.predictions.items():
        assert torch.equal(predicted, whole.predictions[name][::7])
