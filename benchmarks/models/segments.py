"""Encoders for precomputed features of every second of a clip (AVE).

They are this suite's own, as the M-SAM paper does not describe an encoder for AVE. The published
network of this line of work, PSP (AGM_ICCV2023@5a65542, model/AVE_net.py), joins the modalities
before any fusion module: audio guides the attention over the picture, and the two sequences attend
to each other. All methods of the tables need an encoder of each modality alone. Kept from PSP and
from AVE-ECCV18 before it: attention over the 49 positions, here guided by the picture itself;
linear layers with Xavier's uniform initialisation; one bidirectional LSTM with 128 units per
direction.
"""

from __future__ import annotations

from torch import Tensor, nn

HIDDEN = 128
"""Units of the LSTM per direction, of the projection and of the attention, as published."""

MAXOUT = (256, 64)
"""Of the early-fusion block; the published classifier has layers of these sizes."""

SMALL_HIDDEN, SMALL_MAXOUT = 16, (64, 32)


def segment_lstm(shape: tuple[int, ...]) -> nn.Module:
    """For a sample of T seconds, (T, D) or (T, H, W, D): (B, *shape) -> (B * T, 256)."""
    return SegmentLstm(shape, HIDDEN)


def small_segment_lstm(shape: tuple[int, ...]) -> nn.Module:
    """The same with 16 units, for stand-in data and tests: (B, *shape) -> (B * T, 32)."""
    return SegmentLstm(shape, SMALL_HIDDEN)


class SegmentLstm(nn.Module):
    """Attention over positions where there are any, linear layer, ReLU, bidirectional LSTM."""

    def __init__(self, shape: tuple[int, ...], hidden: int) -> None:
        super().__init__()
        channels = shape[-1]
        self.pool = AttentionPooling(channels, hidden) if len(shape) == 4 else nn.Identity()
        self.project = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU())
        self.lstm = AlwaysTrainingLstm(hidden, hidden, batch_first=True, bidirectional=True)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, ...) -> (B * T, 2 * hidden), sample by sample."""
        sequence, _ = self.lstm(self.project(self.pool(x)))
        return sequence.flatten(0, 1)


class AttentionPooling(nn.Module):
    """A weighted mean over the H * W positions: (B, T, H, W, D) -> (B, T, D).

    The weights are a softmax of a two-layer network's score of each position.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(channels, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, x: Tensor) -> Tensor:
        positions = x.flatten(2, 3)
        weights = self.score(positions).softmax(2)  # (B, T, H * W, 1)
        return (weights * positions).sum(2)


class AlwaysTrainingLstm(nn.LSTM):
    """An LSTM without dropout that stays in training mode.

    For it the modes are equal, but cuDNN refuses a backward pass through one in evaluation mode,
    which AGM's padded passes need. The published code does the same
    (AGM_ICCV2023@5a65542, model/AVE_net.py:161-162).
    """

    def train(self, mode: bool = True) -> AlwaysTrainingLstm:
        """Sets training mode, whatever `mode` says."""
        return super().train(True)
