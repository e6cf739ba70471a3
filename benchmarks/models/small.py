"""A small convolutional encoder, for stand-in data and tests only."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

WIDTH = 32
GRID = 4


def small_cnn(channels: int) -> nn.Module:
    """Three strided convolutions, a 4x4 grid of means, a linear layer: (B, channels, H, W) ->
    (B, 32). The grid keeps where things are, which a tone's pitch depends on."""
    widths = (channels, 8, 16, 16)
    layers: list[nn.Module] = []
    for inner, outer in pairwise(widths):
        conv = nn.Conv2d(inner, outer, kernel_size=3, stride=2, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(outer), nn.ReLU()]
    grid = nn.Sequential(nn.AdaptiveAvgPool2d(GRID), nn.Flatten())
    return nn.Sequential(*layers, grid, nn.Linear(widths[-1] * GRID**2, WIDTH), nn.ReLU())
