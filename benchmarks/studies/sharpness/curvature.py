"""Curvature of the loss at given weights: largest eigenvalue, trace, SAM's sharpness, per block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.plan.experiment import derive_seed
from benchmarks.studies.sharpness.curvature_file import BlockCurvature, CurvatureSettings
from benchmarks.studies.sharpness.loss import SplitLoss
from msam.model import MultimodalModel
from msam.sharpness import global_norm, perturbed

Product = Callable[[Tensor], Tensor]  # v (P,) -> H v (P,)


def blocks(model: MultimodalModel) -> dict[str, list[nn.Parameter]]:
    """The whole model, each modality's encoder, and each head or the fusion module."""
    parts = {"model": model}
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
