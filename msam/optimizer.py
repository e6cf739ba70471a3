"""M-SAM as an optimiser, for training loops that own the closure."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import torch
from torch import Tensor, nn

from msam.sharpness import check_number, sharpened


class MSAMOptimizer(torch.optim.Optimizer):
    """Wraps any optimiser of the model; `step(closure)` runs the closure twice, then the optimiser.

    For Lightning's automatic optimisation and other loops that pass a closure. In a loop of your
    own, `sharpened` is shorter and also works with a `GradScaler`.

    The closure clears the gradients, computes the loss and calls backward. While it runs for the
    first time it may set `share` to the largest of `modality_shares`; the step uses that value.
    Until then `share` is 1: SAM. `in_second_pass` is True while the closure runs at theta + eps,
    where there is nothing to measure.

    Only the optimiser's parameters are perturbed. `param_groups` and `state` are those of the
    wrapped optimiser, so that learning-rate schedules and checkpoints see one optimiser. `share` is
    in no checkpoint: the closure sets it anew. Raises ValueError for a negative or infinite `rho`,
    for a parameter of the optimiser that `model` does not have, and for an optimiser that needs a
    closure of its own (LBFGS).
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, *, rho: float) -> None:
        check_number("rho", rho, least=0.0)
        if signature(optimizer.step).parameters["closure"].default is Parameter.empty:
            raise ValueError(
                f"MSAMOptimizer cannot wrap {type(optimizer).__name__}, which runs the closure "
                "itself; give an optimiser whose step needs no closure, such as SGD or AdamW"
            )
        self.model, self.optimizer, self.rho = model, optimizer, rho
        self.share: float | Tensor = 1.0
        self.in_second_pass = False
        groups, state = optimizer.param_groups, optimizer.state
        try:
            super().__init__(groups, optimizer.defaults)  # puts new ones into the wrapped optimiser
        finally:
            optimizer.param_groups, optimizer.state = groups, state

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of the wrapped optimiser."""
        return self.optimizer.param_groups

    @param_groups.setter
    def param_groups(self, groups: list[dict[str, Any]]) -> None:
        self.optimizer.param_groups = groups

    @property
    def state(self) -> Any:
        """That of the wrapped optimiser."""
        return self.optimizer.state

    @state.setter
    def state(self, state: Any) -> None:
        self.optimizer.state = state

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds to the wrapped optimiser; ValueError for a parameter that the model does not have.

        `sharpened` would neither empty nor mix its gradient.
        """
        super().add_param_group(param_group)
        known = set(self.model.parameters())
        strange = [tuple(p.shape) for p in param_group["params"] if p not in known]
        if strange:
            self.param_groups.pop()
            raise ValueError(
                f"MSAMOptimizer: the optimiser holds parameters of the shapes {strange} that the "
                "model does not have; give it all modules, as in nn.ModuleList([model, criterion])"
            )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update; returns what the closure returned at theta.

        Raises ValueError without a closure, and what `sharpened` raises. With learning rates of
        zero it needs none: so PyTorch's checkpoints fill the state of a fresh optimiser.
        """
        if closure is None and all(float(group["lr"]) == 0 for group in self.param_groups):
            return self.optimizer.step()
        if closure is None:
            raise ValueError(
                "MSAMOptimizer.step needs a closure that clears the gradients, computes the loss "
                "and calls backward; in a loop of your own, or with a GradScaler, use "
                "msam.sharpened"
            )
        with torch.enable_grad():
            loss = closure()
        held = (p for group in self.param_groups for p in group["params"])
        direction = {p: p.grad for p in held if p.grad is not None}
        second = sharpened(self.model, rho=self.rho, share=self.share, direction=direction)
        self.in_second_pass = True
        try:
            with second, torch.enable_grad():
                closure()
        finally:
            self.in_second_pass = False
        self.optimizer.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """That of the wrapped optimiser."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the wrapped optimiser."""
        self.optimizer.load_state_dict(state_dict)

    def __getstate__(self) -> dict[str, Any]:
        """For `copy.deepcopy` and `pickle`: copy model and optimiser together, as one tuple."""
        kept = "model", "optimizer", "rho", "share", "in_second_pass", "defaults"
        return {name: getattr(self, name) for name in kept}
