"""ResNet-18 trunk for images and spectrograms."""

from __future__ import annotations

from torch import nn
from torchvision.models import resnet18

WIDTH = 512


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
