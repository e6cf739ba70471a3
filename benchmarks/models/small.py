"""A small convolutional encoder, for stand-in data and tests only."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

WIDTH = 32


def small_cnn(channels: int) -> nn.Module:
    """Three strided convolutions and global average pooling: (B, channels, H, W) -> (B, 32)."""
    widths = (channels, 8, 16, WIDTH)
    layers: list[nn.Module] = []
    for inner, outer in pairwise(widths):
        conv = nn.Conv2d(inner, outer, kernel_size=3, stride=2, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(outer), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
