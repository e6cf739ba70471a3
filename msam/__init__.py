"""Modality-Aware SAM (NeurIPS 2025): the method, usable without the rest of the suite."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "MSAM": "msam.msam",
    "EarlyFusion": "msam.model",
    "LateFusion": "msam.model",
    "Method": "msam.method",
    "MultimodalModel": "msam.model",
    "OptimConfig": "msam.optim",
    "contributions": "msam.shapley",
    "frozen_batchnorm": "msam.sharpness",
    "mono_modal_responses": "msam.shapley",
    "perturbed": "msam.sharpness",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Imports a public name on first use: planning a sweep must not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'msam' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
