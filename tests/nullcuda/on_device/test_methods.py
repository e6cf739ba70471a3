"""Every registered method on the device: no step waits for it, and every step can be captured."""

from __future__ import annotations

from typing import Any

import pytest

from baselines.registry import METHODS
from tests.baselines.cases import Case, every_case
from tests.nullcuda.on_device.training import (
    CASES,
    cuda_method,
    train_captured,
    train_eagerly,
)
from tests.nullcuda.on_device.variations import variations


@every_case
def test_a_step_never_waits_for_the_device(case: Case) -> None:
    train_eagerly(case, {})


def _settings() -> list[Any]:
    """A parameter for each option value of each case; of others there is none to try."""
    found = []
    for case in CASES:
        method = METHODS[case.method]
        for params in variations(method, case.modalities):
            if not method.unsupported(case.modalities, case.fusion, **params):
                words = "-".join(f"{k}={v}" for k, v in params.items())
                found.append(pytest.param(case, params, id=f"{case}-{words}"))
    return found


@pytest.mark.parametrize("case, params", _settings())
def test_every_option_can_be_captured(case: Case, params: dict[str, Any], null_device) -> None:
    """A method that says why its steps cannot be captured must not wait for the device either."""
    if cuda_method(case, params).uncapturable:
        train_eagerly(case, params)
        return
    before = null_device.counts()
    train_captured(case, params)
    after = null_device.counts()
    assert after.graphs > before.graphs and after.replays > before.replays
    assert after.outside == before.outside, "kernels ran outside the capture"
