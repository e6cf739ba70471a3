"""M-SAM as an optimiser, for training loops that own the closure."""

from __future__ import annotations

from collections.abc import Callable
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
    wrapped optimiser, so that learning-rate schedules and checkpoints see one optimiser. Raises
    ValueError for a negative or infinite `rho`.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, *, rho: float) -> None:
        check_number("rho", rho, least=0.0)
        groups, state = optimizer.param_groups, optimizer.state
        super().__init__(groups, optimizer.defaults)
        self.model, self.optimizer, self.rho = model, optimizer, rho
        self.param_groups, self.state = groups, state
        self.share: float | Tensor = 1.0
        self.in_second_pass = False

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One update; returns what the closure returned at theta.

        Raises ValueError without a closure, and what `sharpened` raises.
        """
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
        # Loading replaces both objects.
        self.param_groups, self.state = self.optimizer.param_groups, self.optimizer.state
