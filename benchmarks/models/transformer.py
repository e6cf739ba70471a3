"""Transformer encoders for sequences of features, one per word."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH = 768
SMALL_WIDTH = 32


class SequenceEncoder(nn.Module):
    """Sequences (B, L, D) -> the output at the first position, (B, width).

    A linear map of each word, without bias, then `layers` torch layers with their defaults: dropout
    0.1, ReLU, normalisation after each block. As published (AGM_ICCV2023@5a65542,
    model/utils/module_base.py:4-26) there is no position encoding and no mask: only the first
    word's output is read, and the zeros that pad a sequence are words like others, so that their
    number changes the output. With `masked`, no word attends to the all-zero words at the end; the
    first word is never masked.
    """

    def __init__(
        self,
        features: int,
        width: int,
        *,
        layers: int,
        heads: int,
        hidden: int,
        masked: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = nn.Conv1d(features, width, kernel_size=1, bias=False)
        # The sequence comes first, as published. This also keeps torch from its fused evaluation,
        # which rounds differently from training. Torch copies the layer: all start equal.
        layer = nn.TransformerEncoderLayer(width, heads, hidden, batch_first=False)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.masked = masked

    def forward(self, x: Tensor) -> Tensor:
        words = self.embedding(x.transpose(1, 2)).permute(2, 0, 1)  # (L, B, width)
        mask = padding(x) if self.masked else None
        return self.layers(words, src_key_padding_mask=mask)[0]


def padding(x: Tensor) -> Tensor:
    """The mask (B, L) of the padding in sequences (B, L, D): the all-zero words at the end, never
    the first word, as attention needs one."""
    numbers = torch.arange(x.shape[1], device=x.device)
    last_word = ((x != 0).any(2) * numbers).amax(1)
    return numbers > last_word[:, None]


def transformer(shape: tuple[int, ...], masked: bool = False) -> nn.Module:
    """The published encoder for samples (L, D): -> (B, 768)."""
    return SequenceEncoder(shape[-1], WIDTH, layers=8, heads=4, hidden=2048, masked=masked)


def transformer_masked(shape: tuple[int, ...]) -> nn.Module:
    """As `transformer`, where no word attends to the padding."""
    return transformer(shape, masked=True)


def small_transformer(shape: tuple[int, ...]) -> nn.Module:
    """For stand-in data and tests only, samples (L, D): -> (B, 32)."""
    return SequenceEncoder(shape[-1], SMALL_WIDTH, layers=1, heads=2, hidden=64)
