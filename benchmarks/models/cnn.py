"""Convolutional encoders for images and spectrograms: ResNet-18 and a small one."""

from __future__ import annotations

from itertools import pairwise

from torch import nn
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
    return nn.Sequential(*layers, grid, nn.Linear(widths[-1] * GRID**2, SMALL_WIDTH), nn.ReLU())
