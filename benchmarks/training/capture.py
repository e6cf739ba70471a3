"""Replays whole training steps as CUDA graphs, for every method that allows it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import cache

import torch
from torch import Tensor
from torch.optim import Optimizer

from benchmarks.training.context import Capture
from msam.method import Method
from msam.model import Inputs

Metrics = dict[str, Tensor]
Step = Callable[[Inputs, Tensor], Metrics]
Record = Callable[[Callable[[], Metrics], torch.Generator], tuple[Callable[[], None], Metrics]]


def make_step(
    method: Method, device: torch.device, capture: Capture, fixed_shapes: bool = True
) -> tuple[Step, str]:
    """What trains on a batch, `method.step` or its replay, and a text that says which and why."""
    if capture == "off":
        return method.step, "off"
    if device.type != "cuda":
        return method.step, "off: needs a CUDA device"
    if method.uncapturable:
        return method.step, f"off: {method.uncapturable}"
    if not fixed_shapes:  # every length of a batch would be recorded anew
        return method.step, "off: batches differ in length"
    return CapturedStep(method, record_cuda_graph), "CUDA graph"


class CapturedStep:
    """`method.step`, recorded once and replayed for as long as its `_key` stays the same.

    The first step of each phase and learning rate runs eagerly: it makes momentum buffers and
    layers of unknown width, and it is a step of the training like any other. The second is
    recorded, which executes nothing, and replayed. A replay runs no Python, so a method that counts
    on the host must say so in `uncapturable`; tests/baselines/test_host_state.py checks it.
    """

    def __init__(self, method: Method, record: Record) -> None:
        self.method, self.record = method, record
        self.key: Hashable = None
        self.replay: Callable[[], None] | None = None

    def __call__(self, inputs: Inputs, labels: Tensor) -> Metrics:
        if self.key is None or self.key != self._key(inputs, labels):
            self.replay = None
            metrics = _on_side_stream(self.method.step, inputs, labels)
            self.key = self._key(inputs, labels)
            return _copies(metrics)
        if self.replay is None:
            self._capture(inputs, labels)
        for m, x in inputs.items():
            self.inputs[m].copy_(x)
        self.labels.copy_(labels)
        self.replay()  # type: ignore[misc]
        return _copies(self.metrics)

    def _capture(self, inputs: Inputs, labels: Tensor) -> None:
        self.inputs = {m: x.clone() for m, x in inputs.items()}
        self.labels = labels.clone()
        for optimizer in _optimizers(self.method):
            optimizer.zero_grad()  # so that gradients are allocated in the recording's memory
        self.replay, self.metrics = self.record(self._step, self.method.generator)

    def _step(self) -> Metrics:
        """A step on the fixed inputs. Tensors that it assigned to the method are copied into the
        old ones, where the next replay reads them."""
        before = _tensors(self.method)
        metrics = self.method.step(self.inputs, self.labels)
        for name, now in _tensors(self.method).items():
            if now is not before[name]:
                before[name].copy_(now)
                setattr(self.method, name, before[name])
        return metrics

    def _key(self, inputs: Inputs, labels: Tensor) -> Hashable:
        """What a recording fixes: phase, learning rates, shapes, addresses of the state."""
        optimizers = _optimizers(self.method)
        rates = [
            tuple(v for k, v in group.items() if k != "params")
            for optimizer in optimizers
            for group in optimizer.param_groups
        ]
        state = [s for o in optimizers for s in o.state.values()]
        kept = [v for s in state for v in s.values() if isinstance(v, Tensor)]
        kept += _tensors(self.method).values()
        shapes = [x.shape for x in (*inputs.values(), labels)]
        return self.method.phase, repr(rates), tuple(shapes), _addresses(kept)


def record_cuda_graph(
    step: Callable[[], Metrics], generator: torch.Generator
) -> tuple[Callable[[], None], Metrics]:
    """Captures `step`, which draws from `generator`. Returns its replay and its result tensors.

    Raises what `step` raised if it cannot be captured; the device can then be used as before.
    """
    with torch.cuda.device(generator.device):
        usual, cause = torch.cuda.current_stream(), []  # type: ignore[var-annotated]
        try:
            return _capture(lambda: _noting(step, cause), generator)
        except RuntimeError:
            _end_capture(usual, generator)
            if not cause:
                raise
            # The end of an invalid capture raises too, in place of the error that made it invalid.
            raise cause[0] from None


def _capture(
    step: Callable[[], Metrics], generator: torch.Generator
) -> tuple[Callable[[], None], Metrics]:
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        metrics = step()
    return graph.replay, metrics


def _noting(step: Callable[[], Metrics], errors: list[Exception]) -> Metrics:
    """Takes the step and adds what it raises to `errors`."""
    try:
        return step()
    except Exception as error:
        errors.append(error)
        raise


def _end_capture(stream: torch.cuda.Stream, generator: torch.Generator) -> None:
    """Goes back to `stream` after a capture that failed, and makes generators stop recording.

    Only the end of a capture that succeeds does the latter, so that one is made.
    """
    torch.cuda.set_stream(stream)
    with suppress(RuntimeError):  # the device is broken
        _capture(lambda: {"nothing": torch.zeros((), device=generator.device)}, generator)


def _on_side_stream(step: Step, inputs: Inputs, labels: Tensor) -> Metrics:
    """Runs a step on a stream other than the default one, as CUDA demands before a capture."""
    if labels.device.type != "cuda":
        return step(inputs, labels)
    stream, usual = _side_stream(labels.device), torch.cuda.current_stream(labels.device)
    stream.wait_stream(usual)
    with torch.cuda.stream(stream):
        metrics = step(inputs, labels)
    usual.wait_stream(stream)
    return metrics


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all steps: cuBLAS keeps a workspace of 65 MiB for each stream it was called on."""
    return torch.cuda.Stream(device)


def _copies(metrics: Metrics) -> Metrics:
    """Copies: the next replay overwrites the results."""
    return {name: value.clone() for name, value in metrics.items()}


def _optimizers(method: Method) -> list[Optimizer]:
    return [value for value in vars(method).values() if isinstance(value, Optimizer)]


def _tensors(method: Method) -> dict[str, Tensor]:
    return {name: value for name, value in vars(method).items() if isinstance(value, Tensor)}


def _addresses(tensors: Sequence[Tensor]) -> tuple[int, ...]:
    return tuple(t.data_ptr() for t in tensors)
