"""Monge SAM (Jacobsen and Arvanitidis 2025, arXiv 2502.08448), which also calls itself M-SAM."""

from __future__ import annotations

from torch import Tensor

from baselines.registry import register
from baselines.sam import SAM
from msam.sharpness import global_norm


@register("monge_sam")
class MongeSAM(SAM):
    """SAM with eps = rho g / (||g|| sqrt(1 + ||g||^2)): the worst case under G = I + g g^T.

    SAM near stationary points, plain SGD where the gradient is large. No code was published and
    no default rho could be verified: SAM's is taken.
    """

    def radius(self) -> Tensor:
        gradient = [p.grad for p in self.model.parameters() if p.grad is not None]
        return self.rho / (1 + global_norm(gradient).square()).sqrt()
