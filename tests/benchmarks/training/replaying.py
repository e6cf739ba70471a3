"""A recorder that works on a CPU as CUDA graphs do: replays operations on the same memory.

At a replay no Python of the step runs; every recorded operation is called again on the tensors it
was called on, and what it made new is written where it lay. Random numbers are drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.training.capture import Metrics


class _Tape(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        given = {_memory(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        made = [t if _is_new(t, given) else None for t in tree_leaves(out)]
        self.calls.append((func, args, kwargs, made))
        return out


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _is_new(value: Any, given: set[int]) -> bool:
    return isinstance(value, Tensor) and _memory(value) not in given


class Recorder:
    """`benchmarks.training.capture.Record`; counts recordings and replays."""

    def __init__(self) -> None:
        self.recordings = self.replays = 0

    def __call__(
        self, step: Callable[[], Metrics], generator: torch.Generator
    ) -> tuple[Callable[[], None], Metrics]:
        self.recordings += 1
        tape = _Tape()
        before = _everything(step.__self__.method)
        drawn = generator.get_state(), torch.get_rng_state()
        with tape:
            metrics = step()
        # A capture executes nothing: what the recorded pass did is undone, in place.
        for tensor, value in before:
            tensor.detach().copy_(value)
        generator.set_state(drawn[0])
        torch.set_rng_state(drawn[1])

        def replay() -> None:
            self.replays += 1
            with torch.no_grad():
                _repeat(tape)

        return replay, metrics


def _repeat(tape: _Tape) -> None:
    for func, args, kwargs, made in tape.calls:
        for old, new in zip(made, tree_leaves(func(*args, **kwargs)), strict=True):
            if old is not None:
                old.copy_(new)


def _everything(method: Any) -> list[tuple[Tensor, Tensor]]:
    """Every tensor that lives from step to step, and a copy of its value."""
    found: dict[int, Tensor] = {}
    for value in tree_leaves([_open(v) for v in vars(method).values()]):
        if isinstance(value, Tensor):
            found[id(value)] = value
    return [(t, t.detach().clone()) for t in found.values()]


def _open(value: Any) -> Any:
    if isinstance(value, torch.nn.Module):
        return [*value.parameters(), *value.buffers()]
    if isinstance(value, torch.optim.Optimizer):
        return [dict(s) for s in value.state.values()]
    return value if isinstance(value, Tensor | list | dict | tuple) else None
