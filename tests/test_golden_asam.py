"""ASAM against both released codes."""

from __future__ import annotations

import math
from typing import Any

from torch.nn import functional as F

from baselines.registry import build_method
from tests.golden_format import Trajectory, assert_golden, assert_parameters, golden
from tests.tiny import watched_passes

Case = dict[str, Any]


def _assert_trajectory(case: Case, **params: Any) -> None:
    given, expected = case["inputs"], case["outputs"]
    setup = Trajectory(given)
    method = build_method("asam", setup.model, setup.optim, rho=given["rho"], **params)
    for t, (inputs, labels) in enumerate(setup.batches):
        with watched_passes(setup.model) as passes:
            metrics = method.step(inputs, labels)
        clean, moved = passes
        assert_golden(metrics["loss_mm"], expected["loss_clean"][t], "loss_clean")
        twin = Trajectory(given).model
        twin.load_state_dict(moved)
        perturbed = F.cross_entropy(twin(inputs), labels)
        assert_golden(perturbed, expected["loss_perturbed"][t], "loss_perturbed")
        if "perturbation_norm" in expected:
            norm = math.sqrt(sum((moved[k] - clean[k]).square().sum().item() for k in clean))
            assert_golden(norm, expected["perturbation_norm"][t], "perturbation_norm")
        assert_parameters(setup.parameters(), expected["params"][t])


@golden("asam_trajectory")
def test_davda_form(case: Case) -> None:
    assert case["inputs"]["adaptive"]
    _assert_trajectory(case, form="davda")


@golden("asam_samsung_trajectory")
def test_authors_form(case: Case) -> None:
    _assert_trajectory(case, form="samsung", eta=case["inputs"]["eta"])
