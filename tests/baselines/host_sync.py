"""Catches a training step that waits for the host, on any device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# Operations whose result, or the size of it, must be known to the host.
_OPERATIONS = {
    torch.ops.aten._local_scalar_dense.default,  # item, bool, float, int, index, format
    torch.ops.aten.is_nonzero.default,
    torch.ops.aten.equal.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten._unique2.default,
}
# Calls that read the memory of a CPU tensor without any operation.
_CALLS = {Tensor.tolist, Tensor.numpy, Tensor.cpu, Tensor.__array__}


class HostSyncError(AssertionError):
    """Something asked for a tensor's value."""


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _OPERATIONS or _picks_by_mask(func, args):
            raise HostSyncError(f"{func} waits for the host")
        return func(*args, **(kwargs or {}))


def _picks_by_mask(func: Any, args: Any) -> bool:
    """x[mask]: the shape of the result is a count of the mask's values."""
    if func is not torch.ops.aten.index.Tensor:
        return False
    return any(index is not None and index.dtype == torch.bool for index in args[1])


class _Calls(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _CALLS:
            raise HostSyncError(f"{func.__name__} waits for the host")
        return func(*args, **(kwargs or {}))


@contextmanager
def forbidden_host_sync() -> Iterator[None]:
    """Raises HostSyncError where the code inside needs the value of a tensor."""
    with ExitStack() as stack:
        stack.enter_context(_Operations())
        stack.enter_context(_Calls())
        yield
