"""Sharpness-aware gradients for any model: move the weights, run a second pass, mix."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real

import torch
from torch import Tensor, nn

Gradient = dict[nn.Parameter, Tensor]


@contextmanager
def sharpened(
    model: nn.Module,
    *,
    rho: float | Tensor,
    share: float | Tensor,
    direction: Mapping[nn.Parameter, Tensor] | None = None,
) -> Iterator[None]:
    """The second half of a step, after `loss.backward()` and before the optimiser.

    Algorithm 1, lines 7-9, of Modality-Aware SAM (arXiv 2510.24919). Run the forward and backward
    pass again inside: there the weights are theta + eps with eps = rho g / ||g||, where g is the
    gradient that stood in `.grad`, and `.grad` is empty. Afterwards the weights are theta bit for
    bit, and `.grad` holds

        share * g(theta + eps) + (1 - share) * g(theta).

    `share` is nu_d, the largest of `modality_shares`. The number `share=1` is SAM. `share=0` gives
    g(theta), as long as the second pass is finite. A tensor is not read, so that nothing waits for
    the device: at 1, rounding errors of the size of g(theta) stay. `rho` is the length of eps, over
    all parameters jointly. Both are numbers or 0-dimensional tensors. `direction` maps the
    parameters that are to move to the tensors along which they move, in place of g.

    g is all that stands in `.grad` of the model's parameters. If the optimiser does not hold all of
    them, freeze the others or clear their gradients too (`model.zero_grad()`). If it holds others,
    such as those of a loss, give one `nn.ModuleList([model, criterion])` as `model`.

    Inside, several backward passes may add up, as for micro-batches. BatchNorm does not record the
    second pass. A parameter that only one of the passes reaches has a gradient of zero in the
    other; with the number `share=1` the second pass alone decides. Gradients of zero give eps = 0.
    So do infinite and NaN gradients; `.grad` is NaN afterwards, and a `GradScaler` finds that and
    skips the step.
    If the block raises, `.grad` holds g again. Nothing waits for the device.

    Raises ValueError if there is no gradient before or after the second pass, if a gradient is
    sparse or a parameter sharded (FSDP), if a tensor of `direction` has another shape than its
    parameter, and for a `rho` or `share` that is no finite number.
    """
    check_number("rho", rho, least=0.0)
    check_number("share", share)
    with ascended(model, rho=rho, direction=direction) as clean:
        yield
        if not _dense_gradients(model):
            raise ValueError(
                "sharpened: there is no gradient after the second pass; run the forward pass and "
                "loss.backward() inside `with sharpened(...)`"
            )
    if isinstance(share, Tensor) or share != 1:
        _mix(model, clean, share)


@contextmanager
def ascended(
    model: nn.Module,
    *,
    rho: float | Tensor,
    direction: Mapping[nn.Parameter, Tensor] | None = None,
) -> Iterator[Gradient]:
    """theta + rho g / ||g|| inside, with `.grad` empty; yields g, {parameter: tensor}.

    The part of `sharpened` that all relatives of SAM share. Afterwards `.grad` is what the passes
    inside have left there; NaN if the direction was not finite; g again if the block raised.
    Raises ValueError for gradients that cannot be used.
    """
    clean = {p: _kept(g) for p, g in _dense_gradients(model).items()}
    along = clean if direction is None else direction
    if not along:
        raise ValueError(
            "sharpened: no parameter of the model has a gradient; call loss.backward() before it"
        )
    with _restored_on_error(model, clean):
        for p in clean:
            p.grad = None
        moved = perturbed(list(along), list(along.values()), rho)
        with moved as finite, frozen_batchnorm(model):
            yield clean
    # An infinite direction must be seen. The factor is a tensor: the host does not wait.
    found = [p.grad for p in model.parameters() if p.grad is not None]
    if found:
        torch._foreach_mul_(found, torch.where(finite, 1.0, math.nan))


@contextmanager
def set_aside(model: nn.Module) -> Iterator[None]:
    """Takes the gradients out of `.grad` inside and adds them to what is there at the end.

    For losses per modality: the gradient of the other modalities' losses at theta waits here while
    `sharpened` works on the loss of the dominant one. If the block raises, `.grad` is what it was
    before. Raises ValueError for sparse gradients.
    """
    waiting = {p: _kept(g) for p, g in _dense_gradients(model).items()}
    with _restored_on_error(model, waiting):
        for p in waiting:
            p.grad = None
        yield
    add_gradient(waiting)


def add_gradient(gradient: Gradient) -> None:
    """Adds {parameter: tensor} to `.grad`, which may be None."""
    found = [p for p in gradient if p.grad is not None]
    with torch.no_grad():
        if found:
            torch._foreach_add_([p.grad for p in found], [gradient[p] for p in found])  # type: ignore[misc]
    for p, g in gradient.items():
        p.grad = g if p.grad is None else p.grad


@contextmanager
def _restored_on_error(model: nn.Module, gradient: Gradient) -> Iterator[None]:
    """If the block raises, `.grad` is `gradient` again: a loop may go on as without the block."""
    try:
        yield
    except BaseException:
        for p in model.parameters():
            p.grad = gradient.get(p)
        raise


@contextmanager
def perturbed(
    params: Sequence[nn.Parameter], direction: Sequence[Tensor], rho: float | Tensor
) -> Iterator[Tensor]:
    """theta + rho * direction / ||direction|| inside (Eq. 9), theta bit for bit afterwards.

    The norm runs over all tensors of `direction` jointly, with a floor of 1e-12 as in
    davda54/sam@3c3afdb. A direction of zeros and one with infinity or NaN move nothing. Yields
    whether `direction` is finite, a 0-dimensional tensor. Raises ValueError for unequal shapes.

    Weights are copied back: subtracting the perturbation would leave rounding errors. They are
    copied into the live tensors, so that pointers stay valid. One copy of the weights is held.
    Nothing waits for the device.

    Autocast keeps copies of the weights in low precision. They are dropped whenever the weights
    move: the second pass would use the old ones, and every relative of SAM would be plain descent.
    """
    params, direction = list(params), list(direction)
    for p, d in zip(params, direction, strict=True):
        if p.shape != d.shape:
            raise ValueError(
                f"a direction of shape {tuple(d.shape)} cannot move a parameter of shape "
                f"{tuple(p.shape)}; the shapes must be equal"
            )
    saved = [p.detach().clone() for p in params]
    try:
        with torch.no_grad():
            steps, finite = _steps(direction, rho)
            torch._foreach_add_(params, steps)  # type: ignore[arg-type]
            del steps
        torch.clear_autocast_cache()
        yield finite
    finally:
        with torch.no_grad():
            torch._foreach_copy_(params, saved)  # type: ignore[arg-type]
        torch.clear_autocast_cache()


def _steps(direction: list[Tensor], rho: float | Tensor) -> tuple[list[Tensor], Tensor]:
    """rho * direction / ||direction||, and whether it is finite; zeros where it is not defined.

    In float32 where `direction` is in half precision: squares of its entries soon leave the range.
    """
    half = torch.float16, torch.bfloat16
    direction = [d.float() if d.dtype in half else d for d in direction]
    norm = global_norm(direction)
    # Where the squares alone left the range, as with a large loss scale, the norm in units of the
    # largest entry counts. Both are computed: asking which one to take would wait for the device.
    largest = torch.stack(torch._foreach_norm(direction, math.inf)).amax()
    again = largest * global_norm(torch._foreach_div(direction, largest))  # NaN: all zero, infinite
    norm = torch.where((norm > 0) & norm.isfinite(), norm, again)
    steps = torch._foreach_mul(direction, torch.where(norm > 0, rho / (norm + 1e-12), 0.0))
    for step in steps:
        step.nan_to_num_(0.0, 0.0, 0.0)  # infinity times zero
    return steps, largest.isfinite()  # type: ignore[return-value]


def global_norm(tensors: Sequence[Tensor]) -> Tensor:
    """The 2-norm over all tensors jointly, a 0-dimensional tensor."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(tensors))))  # type: ignore[no-any-return]


@contextmanager
def frozen_batchnorm(module: nn.Module) -> Iterator[None]:
    """BatchNorm layers use the batch's statistics inside but do not record them.

    A second pass over the same batch must not enter the running statistics twice. Switching
    `track_running_stats` off also stops `num_batches_tracked`, which a momentum of zero does not;
    nested use is safe. InstanceNorm layers that record statistics get their old ones back, and so
    do scripted layers, whose flag is compiled in. Layers in evaluation mode count too: they may be
    switched to training inside.
    """
    layers = [child for child in module.modules() if _has_statistics(child)]
    switched = [x for x in layers if isinstance(x, nn.modules.batchnorm._BatchNorm)]
    others = [b for x in layers if x not in switched for b in x.buffers(recurse=False)]
    saved = [buffer.clone() for buffer in others]
    for layer in switched:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in switched:
            layer.track_running_stats = True
        with torch.no_grad():
            for buffer, value in zip(others, saved, strict=True):
                buffer.copy_(value)


def _has_statistics(module: nn.Module) -> bool:
    if isinstance(module, torch.jit.ScriptModule):
        return any(name == "running_mean" for name, _ in module.named_buffers(recurse=False))
    return isinstance(module, nn.modules.batchnorm._NormBase) and module.track_running_stats


def _mix(model: nn.Module, clean: Gradient, share: float | Tensor) -> None:
    """share * sharp + (1 - share) * clean in `.grad`, in place.

    On a CPU, fresh tensors of the model's size cost more than the arithmetic.
    """
    for p, g in clean.items():
        p.grad = torch.zeros_like(g) if p.grad is None else p.grad
    sharp = {p: p.grad for p in model.parameters() if p.grad is not None}
    theirs = [clean[p] if p in clean else torch.zeros_like(g) for p, g in sharp.items()]
    ours = list(sharp.values())
    if isinstance(share, Tensor):
        share = share.detach().to(ours[0].device)
    with torch.no_grad():
        torch._foreach_sub_(ours, theirs)
        torch._foreach_mul_(ours, share)
        torch._foreach_add_(ours, theirs)


def _dense_gradients(model: nn.Module) -> Gradient:
    """The gradients in `.grad`; ValueError for those that a norm over all cannot be taken of."""
    for name, p in model.named_parameters():
        if hasattr(p, "placements") or getattr(p, "_is_flat_param", False):
            raise ValueError(
                f"sharpened: parameter '{name}' is sharded over processes (FSDP, DTensor), and "
                "||g|| needs all of it; use DistributedDataParallel"
            )
        if p.grad is not None and p.grad.layout != torch.strided:
            raise ValueError(
                f"sharpened: the gradient of '{name}' is sparse; it must be dense, "
                "as from nn.Embedding(..., sparse=False)"
            )
    return {p: p.grad for p in model.parameters() if p.grad is not None}


def _kept(gradient: Tensor) -> Tensor:
    """The gradient, copied if it is part of a larger tensor.

    With `gradient_as_bucket_view=True`, DistributedDataParallel writes the next gradients there.
    """
    inside = gradient.untyped_storage().nbytes() != gradient.numel() * gradient.element_size()
    return gradient.clone() if inside or gradient._is_view() else gradient


def check_number(name: str, value: float | Tensor, least: float = -math.inf) -> None:
    """Raises ValueError for a tensor of other shape than () and what is no finite number."""
    if isinstance(value, Tensor):  # its value stays on the device
        if value.ndim:
            raise ValueError(f"{name} has the shape {tuple(value.shape)}; it must be one number")
    elif not isinstance(value, Real):
        hint = ", such as max(nu.values()) of modality_shares" if name == "share" else ""
        raise ValueError(f"{name} is {value!r}; it must be one number{hint}")
    elif not (math.isfinite(value) and value >= least):
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise ValueError(f"{name} is {value!r}; it must be a finite number{bound}")
