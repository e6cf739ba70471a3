"""The loss of a split as a function of the weights, and its curvature at given weights.

Largest eigenvalue, trace and SAM's sharpness, per block of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.plan.experiment import derive_seed
from benchmarks.studies.sharpness.sharpness_files import BlockCurvature, CurvatureSettings
from benchmarks.training.numerics import rounding_to_tf32
from datasets.tensors.dataset import SplitTensors
from msam.model import MultimodalModel, evaluating
from msam.sharpness import global_norm, perturbed

Product = Callable[[Tensor], Tensor]  # v (P,) -> H v (P,)
CHUNK = 100  # samples per pass; on a CPU, larger tensors would be mapped afresh at every pass


class SplitLoss:
    """Mean cross-entropy of the fused logits over all labels of `split`, in evaluation mode.

    BatchNorm uses its running statistics and dropout is off, so that the loss is a deterministic
    function of the weights and a mean over rows: chunks of rows are added up, and a split of any
    size fits. Logits are widened to float64 before the loss; the rest is in the model's own type,
    on a GPU without rounding to TF32.
    """

    def __init__(self, model: MultimodalModel, split: SplitTensors, chunk: int = CHUNK) -> None:
        self.model, self.split, self.chunk = model, split, chunk

    @rounding_to_tf32(False)
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

    @rounding_to_tf32(False)
    def gradient(self, params: Sequence[nn.Parameter]) -> list[Tensor]:
        """The gradient with respect to `params`."""
        total = [torch.zeros_like(p) for p in params]
        for loss in self._losses():
            torch._foreach_add_(total, torch.autograd.grad(loss, params))
        return total

    @rounding_to_tf32(False)
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


def blocks(model: MultimodalModel) -> dict[str, list[nn.Parameter]]:
    """The whole model, each modality's encoder, and each head or the fusion module."""
    parts: dict[str, nn.Module] = {"model": model}
    parts |= {f"encoder_{m}": encoder for m, encoder in model.encoders.items()}
    heads = getattr(model.fusion, "heads", None)
    if heads is None:
        parts["fusion"] = model.fusion
    else:
        parts |= {f"head_{m}": head for m, head in heads.items()}
    return {name: list(part.parameters()) for name, part in parts.items()}


def measure_block(
    loss: SplitLoss, name: str, params: Sequence[nn.Parameter], settings: CurvatureSettings
) -> BlockCurvature:
    """The curvature of one block: of the Hessian's diagonal block that belongs to `params`.

    Random vectors depend on the block's name and size alone, so all methods get the same ones.
    """
    count = sum(p.numel() for p in params)
    generator = torch.Generator().manual_seed(derive_seed(0, "curvature", name))

    def product(vector: Tensor) -> Tensor:
        return loss.hessian_product(params, vector)

    start = torch.randn(count, generator=generator).to(params[0])
    top = largest_eigenvalue(product, start, settings.tolerance, settings.iterations)
    probes = (_signs(count, generator).to(params[0]) for _ in range(settings.probes))
    trace, trace_error = mean_and_error(quadratic_forms(product, probes))
    gradient = loss.gradient(params)
    return BlockCurvature(
        parameters=count,
        gradient_norm=float(global_norm(gradient)),
        eigenvalue=top.value,
        residual=top.residual,
        converged=top.converged,
        products=top.products,
        trace=trace,
        trace_error=trace_error,
        sharpness=sam_sharpness(loss, params, gradient, settings.rho),
    )


@dataclass(frozen=True)
class Eigenvalue:
    """`residual` is ||H v - value v|| for the unit vector v: an eigenvalue lies that near."""

    value: float
    residual: float
    converged: bool
    products: int  # Hessian-vector products


def largest_eigenvalue(
    product: Product, start: Tensor, tolerance: float, iterations: int
) -> Eigenvalue:
    """The largest (most positive) eigenvalue, by the Lanczos method from `start` (P,).

    Stops when the estimated residual is at most `tolerance` times the value, or after
    `iterations` products. The basis is orthogonalised in full, twice, which keeps ghost copies of
    eigenvalues out in float32; it takes `iterations` vectors of memory. The residual that is
    returned is measured with one more product.
    """
    size = min(iterations, len(start))
    basis = start.new_empty(size, len(start))
    basis[0] = start / start.norm()
    tridiagonal = torch.zeros(size, size, dtype=torch.float64)
    for k in range(size):
        image = product(basis[k])
        tridiagonal[k, k] = torch.dot(basis[k], image).item()
        for _ in range(2):
            image -= basis[: k + 1].T @ (basis[: k + 1] @ image)
        beta = image.norm().item()
        values, vectors = torch.linalg.eigh(tridiagonal[: k + 1, : k + 1])
        value, weights = values[-1].item(), vectors[:, -1]
        converged = beta * abs(weights[-1].item()) <= tolerance * abs(value)
        if converged or k + 1 == size:
            break
        basis[k + 1] = image / beta
        tridiagonal[k, k + 1] = tridiagonal[k + 1, k] = beta
    vector = weights.to(start) @ basis[: k + 1]
    vector /= vector.norm()
    residual = (product(vector) - value * vector).norm().item()
    return Eigenvalue(value, residual, converged, k + 2)


def quadratic_forms(product: Product, probes: Iterable[Tensor]) -> Tensor:
    """z^T H z (Z,) float64 of each probe z (P,).

    For probes of independent signs their expectation is the trace of H (Hutchinson 1990).
    """
    forms = [torch.dot(probe, product(probe)) for probe in probes]
    return torch.stack(forms).double().cpu()


def mean_and_error(samples: Tensor) -> tuple[float, float]:
    """The mean of independent samples (Z,) and its standard error."""
    return samples.mean().item(), (samples.std() / len(samples) ** 0.5).item()


def sam_sharpness(
    loss: SplitLoss, params: Sequence[nn.Parameter], gradient: Sequence[Tensor], rho: float
) -> float:
    """SAM's max over ||eps|| <= rho of L(theta + eps) - L(theta) (Foret et al. 2021, Eq. 1), at
    the maximiser of the linearised loss, eps = rho g / ||g|| (their Eq. 2 for p = 2).

    One ascent step, as in SAM's training: a lower bound of the maximum, and no search for it.
    """
    before, _ = loss.value()
    with perturbed(params, gradient, rho):
        after, _ = loss.value()
    return after - before


def _signs(count: int, generator: torch.Generator) -> Tensor:
    """Independent signs (P,), each +1 or -1."""
    return torch.randint(2, (count,), generator=generator).float().mul_(2).sub_(1)
