"""Modality-Aware SAM (NeurIPS 2025, arXiv 2510.24919) for any PyTorch training loop.

Around your own model, loss and optimiser: `modality_shares` measures what each modality
contributes to a batch, and `sharpened` makes the second pass of a step. `MSAMOptimizer` is the
same for loops that own the closure. `MSAM` is the complete method on a `MultimodalModel`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what a type checker sees; a test holds it to the table below
    from msam.method import Method as Method
    from msam.model import EarlyFusion as EarlyFusion
    from msam.model import LateFusion as LateFusion
    from msam.model import MultimodalModel as MultimodalModel
    from msam.model import evaluating as evaluating
    from msam.msam import MSAM as MSAM
    from msam.optim import OptimConfig as OptimConfig
    from msam.optimizer import MSAMOptimizer as MSAMOptimizer
    from msam.shapley import coalitions as coalitions
    from msam.shapley import contributions as contributions
    from msam.shapley import dominant_mask as dominant_mask
    from msam.shapley import modality_shares as modality_shares
    from msam.shapley import mono_modal_responses as mono_modal_responses
    from msam.shapley import shapley_responses as shapley_responses
    from msam.sharpness import ascended as ascended
    from msam.sharpness import frozen_batchnorm as frozen_batchnorm
    from msam.sharpness import perturbed as perturbed
    from msam.sharpness import set_aside as set_aside
    from msam.sharpness import sharpened as sharpened

__version__ = "0.4.0.dev0"

_HOMES = {
    "Method": "msam.method",
    "EarlyFusion": "msam.model",
    "LateFusion": "msam.model",
    "MultimodalModel": "msam.model",
    "evaluating": "msam.model",
    "MSAM": "msam.msam",
    "OptimConfig": "msam.optim",
    "MSAMOptimizer": "msam.optimizer",
    "coalitions": "msam.shapley",
    "contributions": "msam.shapley",
    "dominant_mask": "msam.shapley",
    "modality_shares": "msam.shapley",
    "mono_modal_responses": "msam.shapley",
    "shapley_responses": "msam.shapley",
    "ascended": "msam.sharpness",
    "frozen_batchnorm": "msam.sharpness",
    "perturbed": "msam.sharpness",
    "set_aside": "msam.sharpness",
    "sharpened": "msam.sharpness",
}

__all__ = list(_HOMES)

if not TYPE_CHECKING:  # a type checker would believe that any name exists

    def __getattr__(name):
        """Imports a public name on first use: planning a sweep must not wait for torch."""
        if name not in _HOMES:
            raise AttributeError(f"module 'msam' has no attribute '{name}'")
        return getattr(import_module(_HOMES[name]), name)

    def __dir__():
        """With the public names, for `help` and for completion."""
        return sorted([*globals(), *_HOMES])
