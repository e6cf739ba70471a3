"""What the methods that combine gradients share: flat gradients, the min-norm weight of two of
them, and the linear layers that they are taken of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from msam.model import MultimodalModel

LayerInputs = dict[nn.Module, Tensor]


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """All entries one after another: any shapes -> (N,)."""
    return torch.cat([t.reshape(-1) for t in tensors])


def min_norm_weight(first: Tensor, second: Tensor) -> Tensor:
    """w, 0-dimensional: w first + (1 - w) second is the shortest such vector; inputs (N,).

    Where an end of the segment is the shortest, w is 0.999 or 0.001 and not 1 or 0, as in
    MMPareto_ICML2024@a339db3, min_norm_solvers.py:9-30.
    """
    v11, v12, v22 = first.dot(first), first.dot(second), second.dot(second)
    inside = (v22 - v12) / (v11 + v22 - 2 * v12)
    return torch.where(v12 >= v11, 0.999, torch.where(v12 >= v22, 0.001, inside))


class LazyLinear(nn.LazyLinear):
    """A linear layer that takes its width from its first input, its weights from `generator`.

    The weights have torch's default distribution, U(-1/sqrt(D), 1/sqrt(D)). A model does not say
    how wide its features are, and a step must leave the global random state alone.
    """

    def __init__(self, classes: int, generator: torch.Generator, like: Tensor) -> None:
        self.generator = generator
        super().__init__(classes, device=like.device, dtype=like.dtype)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        if self.in_features == 0:
            return
        bound = self.in_features**-0.5
        for parameter in (self.weight, self.bias):
            parameter.uniform_(-bound, bound, generator=self.generator)


def output_layers(model: MultimodalModel) -> dict[str, nn.Linear]:
    """The linear layer that turns a modality into logits: its own head if the fusion has heads,
    else the fusion's last linear layer, the same one for all."""
    if model.heads:
        return {m: model.heads[m] for m in model.modalities}  # type: ignore[misc]
    *_, last = (layer for layer in model.fusion.modules() if isinstance(layer, nn.Linear))
    return dict.fromkeys(model.modalities, last)


@contextmanager
def recorded_inputs(layers: Iterable[nn.Module]) -> Iterator[LayerInputs]:
    """The last input of each layer that is called inside."""
    seen: LayerInputs = {}
    handles = [
        layer.register_forward_pre_hook(lambda layer, inputs: seen.__setitem__(layer, inputs[0]))
        for layer in dict.fromkeys(layers)
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
