"""The loss of a whole split as a function of the weights: value, gradient, Hessian products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from datasets.tensors.dataset import SplitTensors
from msam.model import MultimodalModel, evaluating

CHUNK = 100  # samples per pass; on a CPU, larger tensors would be mapped afresh at every pass


class SplitLoss:
    """Mean cross-entropy of the fused logits over all labels of `split`, in evaluation mode.

    BatchNorm uses its running statistics and dropout is off, so that the loss is a deterministic
    function of the weights and a mean over rows: chunks of rows are added up, and a split of any
    size fits. Logits are widened to float64 before the loss; the rest is in the model's own type.
    """

    def __init__(self, model: MultimodalModel, split: SplitTensors, chunk: int = CHUNK) -> None:
        self.model, self.split, self.chunk = model, split, chunk

    @torch.no_grad()
    def value(self) -> tuple[float, float]:
        """Loss and accuracy, a fraction."""
        rows = torch.zeros(2, dtype=torch.float64, device=self.split.labels.device)
        with evaluating(self.model):
            for logits, labels in self._chunks():
                correct = (logits.argmax(1) == labels).double().sum()
                rows += torch.stack([F.cross_entropy(logits, labels, reduction="sum"), correct])
        loss, accuracy = (rows / self.split.labels.numel()).tolist()
        return loss, accuracy

    def gradient(self, params: Sequence[nn.Parameter]) -> list[Tensor]:
        """The gradient with respect to `params`."""
        total = [torch.zeros_like(p) for p in params]
        for loss in self._losses():
            torch._foreach_add_(total, torch.autograd.grad(loss, params))
        return total

    def hessian_product(self, params: Sequence[nn.Parameter], vector: Tensor) -> Tensor:
        """H v for the Hessian H (P, P) with respect to the P entries of `params`: (P,) -> (P,).

        Differentiates the gradient once more (Pearlmutter 1994); exact up to rounding.
        """
        direction = unflattened(vector, params)
        total = torch.zeros_like(vector)
        # Fused attention and cuDNN's LSTM have no second derivative.
        with sdpa_kernel(SDPBackend.MATH), torch.backends.cudnn.flags(enabled=False):
            for loss in self._losses():
                gradient = torch.autograd.grad(loss, params, create_graph=True)
                total += flat(torch.autograd.grad(gradient, params, grad_outputs=direction))
        return total

    def _losses(self) -> Iterator[Tensor]:
        """The chunks' shares of the mean loss."""
        with evaluating(self.model):
            for logits, labels in self._chunks():
                yield F.cross_entropy(logits, labels, reduction="sum") / self.split.labels.numel()

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        rows = torch.arange(len(self.split), device=self.split.labels.device)
        for index in rows.split(self.chunk):
            inputs, labels = self.split.batch(index)
            yield self.model(inputs).double(), labels


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """All entries as one vector (P,)."""
    return torch.cat([t.reshape(-1) for t in tensors])


def unflattened(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """The vector (P,) cut into tensors of the shapes of `like`."""
    parts = vector.split([t.numel() for t in like])
    return [part.view_as(t) for part, t in zip(parts, like, strict=True)]
