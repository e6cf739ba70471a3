"""The networks of the golden files of MCR, MLB and ARL: linear encoders with tanh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from msam.model import Features, LateFusion, MultimodalModel
from msam.optim import OptimConfig
from tests.golden_format import f64
from tests.tiny import Batch

Values = Mapping[str, Sequence[Any]]  # the file's parameters


class JointBlock(nn.Module):
    """W2 tanh(W1 [h_0; h_1; ...] + b1) + b2 on the concatenated features."""

    def __init__(self, widths: Sequence[int], hidden: int, classes: int) -> None:
        super().__init__()
        self.joint1 = nn.Linear(sum(widths), hidden)
        self.joint2 = nn.Linear(hidden, classes)

    def forward(self, features: Features) -> Tensor:
        return self.joint2(self.joint1(torch.cat(list(features.values()), 1)).tanh())


def encoders_of(values: Values) -> dict[str, nn.Module]:
    """h_m = tanh(x_m W_m^T + b_m) for each `encoder{m}` of the file, named "0", "1", and so on."""
    count = sum(name.startswith("encoder") and name.endswith("weight") for name in values)
    weights = {str(m): values[f"encoder{m}.weight"] for m in range(count)}
    return {
        m: nn.Sequential(nn.Linear(len(w[0]), len(w)), nn.Tanh()).double()
        for m, w in weights.items()
    }


def late_fusion(values: Values) -> LateFusion:
    """Heads `head{m}`; a single `bias` of the file becomes the one of the first head."""
    weights = {m: values[f"head{m}.weight"] for m in encoders_of(values)}
    fusion = LateFusion({m: len(w[0]) for m, w in weights.items()}, len(weights["0"])).double()
    if "bias" in values:
        for m in list(weights)[1:]:
            fusion.heads[m].register_parameter("bias", None)
    return fusion


def joint_fusion(values: Values) -> JointBlock:
    """The block `joint1`, `joint2`."""
    widths = [len(values[f"encoder{m}.weight"]) for m in encoders_of(values)]
    return JointBlock(widths, len(values["joint1.bias"]), len(values["joint2.bias"])).double()


def named_parameters(model: MultimodalModel, aux: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The live parameters under the file's names; `aux` are the unimodal heads."""
    fusion = model.fusion
    layers = {f"encoder{m}": encoder[0] for m, encoder in model.encoders.items()}
    layers |= {f"aux{m}": head for m, head in aux.items()}
    layers |= {f"head{m}": head for m, head in model.heads.items()}
    layers |= {n: layer for n, layer in fusion.named_children() if isinstance(layer, nn.Linear)}
    return {
        f"{name}.{kind}": value
        for name, layer in layers.items()
        for kind, value in layer.named_parameters()
    }


def with_shared_bias(named: Mapping[str, Tensor], values: Values) -> dict[str, Tensor]:
    """The same, the first head's bias renamed where the file has one `bias` for all heads."""
    rename = {"head0.bias": "bias"} if "bias" in values else {}
    return {rename.get(name, name): value for name, value in named.items()}


def optim_of(given: Mapping[str, Any]) -> OptimConfig:
    """The file's SGD."""
    return OptimConfig(**{key: given[key] for key in ("lr", "momentum", "weight_decay")})


def batch_of(batch: Mapping[str, Any]) -> Batch:
    """Inputs {"0": (N, I_0), ...} and labels (N,)."""
    return {str(m): f64(x) for m, x in enumerate(batch["x"])}, torch.tensor(batch["y"])
