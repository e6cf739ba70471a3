"""Convolutional encoders for images and spectrograms: ResNet-18 and a small one."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

WIDTH = 512
SMALL_WIDTH = 32


def resnet18_trunk(shape: tuple[int, ...]) -> nn.Module:
    """torchvision's ResNet-18 without its classifier, for samples (channels, H, W): -> (B, 512).

    Initialised as in the published code of this line of work (AGM_ICCV2023@5a65542,
    model/utils/resnet.py:78-117): convolutions Kaiming normal with fan-out, which torchvision
    does by itself, BatchNorm weights N(1, 0.02), no pretrained weights.
    """
    trunk = resnet18(weights=None)
    trunk.conv1 = nn.Conv2d(shape[0], 64, kernel_size=7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(trunk.conv1.weight, mode="fan_out", nonlinearity="relu")
    trunk.fc = nn.Identity()
    for module in trunk.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
    return trunk


GRID = 4
SIDE = 60
HALF = 56  # averages the spectrograms of AV-MNIST, which have 112 pixels, by two


class GridMeans(nn.Module):
    """Means over the cells of a 4x4 grid: (B, C, height, width) -> (B, C, 4, 4).

    On a CPU this is PyTorch's adaptive pooling. Its gradient on a GPU adds up in any order, so
    that `--deterministic` refuses it; there the means are two matrix products.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(GRID)
        self.register_buffer("rows", cell_weights(height), persistent=False)
        self.register_buffer("columns", cell_weights(width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu":
            return self.pool(x)
        return self.rows @ x @ self.columns.T  # type: ignore[operator]


def cell_weights(size: int) -> Tensor:
    """The weights (4, size) of each of `size` positions in the mean of each cell.

    Cells start and end as in PyTorch's adaptive pooling; they overlap where 4 does not divide
    `size`.
    """
    weights = torch.zeros(GRID, size)
    for cell in range(GRID):
        start, end = cell * size // GRID, ceil((cell + 1) * size / GRID)
        weights[cell, start:end] = 1 / (end - start)
    return weights


def small_cnn(shape: tuple[int, ...], side: int = SIDE) -> nn.Module:
    """Three strided convolutions, a 4x4 grid of means, a linear layer: (B, *shape) -> (B, 32).

    `shape` is (channels, H, W). The grid keeps where things are, which a tone's pitch depends on.
    Large pictures are averaged first, to a shorter side of `side` pixels at least.
    """
    widths = (shape[0], 8, 16, 16)
    factor = max(1, min(shape[1:]) // side)
    height, width = (ceil(length // factor / 2 ** (len(widths) - 1)) for length in shape[1:])
    layers: list[nn.Module] = [nn.AvgPool2d(factor)] if factor > 1 else []
    for inner, outer in pairwise(widths):
        conv = nn.Conv2d(inner, outer, kernel_size=3, stride=2, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(outer), nn.ReLU()]
    grid = nn.Sequential(GridMeans(height, width), nn.Flatten())
    return nn.Sequential(*layers, grid, nn.Linear(widths[-1] * GRID**2, SMALL_WIDTH), nn.ReLU())
