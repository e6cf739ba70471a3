"""A small convolutional encoder, for stand-in data and tests only."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

WIDTH = 32
GRID = 4
SIDE = 60


def small_cnn(shape: tuple[int, ...]) -> nn.Module:
    """Three strided convolutions, a 4x4 grid of means, a linear layer: (B, *shape) -> (B, 32).

    `shape` is (channels, H, W). The grid keeps where things are, which a tone's pitch depends on.
    Large pictures are averaged first, to sides of about 60 pixels at least.
    """
    widths = (shape[0], 8, 16, 16)
    factor = min(shape[1:]) // SIDE
    layers: list[nn.Module] = [nn.AvgPool2d(factor)] if factor > 1 else []
    for inner, outer in pairwise(widths):
        conv = nn.Conv2d(inner, outer, kernel_size=3, stride=2, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(outer), nn.ReLU()]
    grid = nn.Sequential(nn.AdaptiveAvgPool2d(GRID), nn.Flatten())
    return nn.Sequential(*layers, grid, nn.Linear(widths[-1] * GRID**2, WIDTH), nn.ReLU())
