"""Reads the golden files: vectors made with the published code, or by hand from a formula.

Each file holds `what` (how to rebuild it) and `cases` of `inputs` and `outputs`. Another folder
of the same format is tried with MSAM_GOLDEN_DIR.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from msam.model import MultimodalModel
from msam.optim import OptimConfig
from tests.tiny import Batch, ConcatFusion

OWN_FOLDER = Path(__file__).parent / "golden"
FOLDER = Path(os.environ.get("MSAM_GOLDEN_DIR", OWN_FOLDER))


def golden(name: str) -> pytest.MarkDecorator:
    """Runs a test on every case of `name`.json; its argument is `case`."""
    path = FOLDER / f"{name}.json"
    if not path.exists() and FOLDER != OWN_FOLDER:
        missing = pytest.mark.skip(reason=f"no {path.name} in MSAM_GOLDEN_DIR")
        return pytest.mark.parametrize("case", [pytest.param(None, marks=missing)])
    cases = json.loads(path.read_text())["cases"]
    return pytest.mark.parametrize("case", cases, ids=[f"{name}-{i}" for i in range(len(cases))])


def f64(values: Any) -> Tensor:
    """A float64 tensor."""
    return torch.as_tensor(values, dtype=torch.float64)


def assert_golden(actual: Any, expected: Any, what: str = "value") -> None:
    """Equal to 1e-8 relative to each entry, or to the largest entry of the same tensor."""
    actual, expected = f64(actual).detach(), f64(expected)
    largest = expected.abs().max().item() if expected.numel() else 0.0
    torch.testing.assert_close(
        actual,
        expected,
        rtol=1e-8,
        atol=max(1e-8 * largest, 1e-12),
        msg=lambda text: f"{what}: {text}",
    )


class ConvEncoder(nn.Module):
    """Convolution 3x3 with stride 2, ReLU, mean over space: (B, 1, H, W) -> (B, 4)."""

    def __init__(self, padding: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=2, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).relu().mean((2, 3))


class Trajectory:
    """The model, batches and optimiser of a `msam_step` or `sam_trajectory` case."""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self.modalities = tuple(map(str, range(inputs["M"])))
        encoders = {m: ConvEncoder(padding=0) for m in self.modalities}
        fusion = ConcatFusion(4 * len(encoders), len(inputs["init"]["head.bias"]))
        self.model = MultimodalModel(encoders, fusion).double()
        self.optim = OptimConfig(
            lr=inputs["lr"], momentum=inputs["momentum"], weight_decay=inputs["weight_decay"]
        )
        load(self.parameters(), inputs["init"])
        self.batches: list[Batch] = [
            (
                {m: f64(x) for m, x in zip(encoders, batch["x"], strict=True)},
                torch.tensor(batch["y"]),
            )
            for batch in inputs["batches"]
        ]

    def parameters(self) -> dict[str, Tensor]:
        """The live parameters under the file's names."""
        named = {
            "head.weight": self.model.fusion.head.weight,
            "head.bias": self.model.fusion.head.bias,
        }
        for m in self.modalities:
            conv = self.model.encoders[m].conv
            named |= {f"enc.{m}.weight": conv.weight, f"enc.{m}.bias": conv.bias}
        return named


@torch.no_grad()
def load(parameters: Mapping[str, Tensor], values: Mapping[str, Sequence[Any]]) -> None:
    """Copies the file's values into the live tensors; the names must match exactly."""
    assert parameters.keys() == values.keys()
    for name, parameter in parameters.items():
        parameter.copy_(f64(values[name]))


def assert_parameters(parameters: Mapping[str, Tensor], expected: Mapping[str, Any]) -> None:
    """Every named parameter equals the file's."""
    assert parameters.keys() == expected.keys()
    for name, parameter in parameters.items():
        assert_golden(parameter, expected[name], name)
