"""Peak memory of a step: what the device reports, or a count of the tensors alive on a CPU."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.bench.timing import PAPER, SMALL, Batch, Row, Setting, Workload, wait
from benchmarks.training.numerics import rounding_to_tf32
from msam.method import Method

MIB = 2**20


def memory(setting: Setting) -> list[Row]:
    """MiB at the peak of a step, batch 64, per method, fusion and encoder."""
    return [
        _row(workload, name, fusion, setting.device)
        for workload in (PAPER, SMALL)
        for fusion in ("late", "early")
        for name in workload.method_names(fusion)
    ]


def _row(workload: Workload, name: str, fusion: str, device: torch.device) -> Row:
    before = _allocated(device)
    method, batch = workload.method(name, fusion, device), workload.random_batch(device)
    with rounding_to_tf32(False):
        method.step(*batch)  # the first makes momentum buffers
    if device.type == "cuda":
        peak = _reported_peak(method, batch) - before
    else:
        peak = counted_peak(method, batch)
    return {
        "data": workload.data,
        "encoder": workload.encoder,
        "fusion": fusion,
        "method": name,
        "batch": workload.batch,
        "peak MiB": peak / MIB,
        "how": "reported" if device.type == "cuda" else "counted, without workspaces",
    }


def _allocated(device: torch.device) -> int:
    """Bytes of what lives on a GPU, which does not belong to the step measured next.

    What methods before left behind is freed first, also the workspaces that cuBLAS keeps.
    """
    if device.type != "cuda":
        return 0
    gc.collect()  # an optimiser and its scheduler refer to each other
    torch._C._cuda_clearCublasWorkspaces()
    return torch.cuda.memory_allocated(device)


def _reported_peak(method: Method, batch: Batch) -> int:
    """Bytes of everything on the GPU at the peak of a step, in exact float32 as runs train."""
    device = batch[1].device
    torch.cuda.reset_peak_memory_stats(device)
    with rounding_to_tf32(False):
        method.step(*batch)
    wait(device)
    return torch.cuda.max_memory_allocated(device)


def counted_peak(method: Method, batch: Batch) -> int:
    """Bytes of all tensors alive at the peak of a step, with weights, momentum and the batch."""
    persistent = [*method.model.state_dict().values(), *batch[0].values(), batch[1]]
    persistent += [p.grad for p in method.model.parameters() if p.grad is not None]
    persistent += [v for v in tree_leaves(_kept(method)) if isinstance(v, Tensor)]
    with LiveBytes(persistent) as live:
        method.step(*batch)
    return live.peak


def _kept(method: Method) -> list[Any]:
    optimizers = [v for v in vars(method).values() if isinstance(v, torch.optim.Optimizer)]
    return [dict(state) for o in optimizers for state in o.state.values()]


class LiveBytes(TorchDispatchMode):
    """Counts the memory of every tensor made inside, from its allocation until it is freed."""

    def __init__(self, persistent: list[Tensor]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()
        for tensor in persistent:
            self._enter(tensor)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for value in tree_leaves(out):
            if isinstance(value, Tensor):
                self._enter(value)
        return out

    def _enter(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self.known:
            return
        self.known.add(storage._cdata)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._leave, storage._cdata, storage.nbytes())

    def _leave(self, address: int, size: int) -> None:
        self.known.discard(address)
        self.now -= size
