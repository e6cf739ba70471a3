"""Loaded by every Python on the null device: harmless answers where a kernel's result is read.

Kernels do not run, so a floating-point tensor on the device holds anything, and reading it gives
`ANSWER`. Integers were copied from the host (labels, rows) and are computed there. cuDNN, which
cannot be replaced call by call, is off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

ANSWER = 0.25  # a fraction, as most of what is read are accuracies and losses


def _reading(plain: Callable[..., Any], answer: Callable[[Tensor], Any]) -> Callable[..., Any]:
    """`plain`, with an `answer` for floating-point tensors on the device."""

    def read(self: Tensor) -> Any:
        if not (self.is_cuda and self.is_floating_point()):
            return plain(self)
        self.cpu()  # waits for the device as the real call does, which a guard may forbid
        return answer(self)

    return read


def _on_host(plain: Callable[..., Any]) -> Callable[..., Any]:
    """`plain`, computed on the host for integers on the device."""

    def compute(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not self.is_cuda or self.is_floating_point():
            return plain(self, *args, **kwargs)
        found = plain(self.cpu(), *args, **kwargs)
        if isinstance(found, Tensor):
            return found.to(self.device)
        return tuple(part.to(self.device) for part in found) if type(found) is tuple else found

    return compute


torch.backends.cudnn.enabled = False
Tensor.item = _reading(Tensor.item, lambda tensor: ANSWER)
Tensor.__float__ = _reading(Tensor.__float__, lambda tensor: ANSWER)
Tensor.tolist = _reading(Tensor.tolist, lambda tensor: torch.full(tensor.shape, ANSWER).tolist())
for name in ("min", "max", "diff", "unique"):
    setattr(Tensor, name, _on_host(getattr(Tensor, name)))
