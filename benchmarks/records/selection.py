"""The rules that choose which epoch of a run is reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

History = Sequence[Mapping[str, Any]]  # records' epochs: {"epoch", "train", "val", "test", ...}


def val_best(history: History) -> int:
    """Index of the first epoch with the highest fused validation accuracy."""
    return _first_best(history, "val")


def last(history: History) -> int:
    """Index of the last epoch."""
    return len(history) - 1


def test_oracle(history: History) -> int:
    """Index of the first epoch with the highest fused test accuracy, as published code does."""
    return _first_best(history, "test")


RULES: dict[str, Callable[[History], int]] = {
    "val-best": val_best,
    "last": last,
    "test-oracle": test_oracle,
}


def choose(rule: str, history: History) -> Mapping[str, Any]:
    """The epoch that `rule` reports; ValueError for an unknown rule or an empty history."""
    if rule not in RULES:
        raise ValueError(f"no selection rule '{rule}'; known: {', '.join(RULES)}")
    if not history:
        raise ValueError("a run without a finished epoch has nothing to report")
    return history[RULES[rule](history)]


def candidate_epochs(history: History) -> set[int]:
    """The numbers of the epochs that some rule would report now: their predictions are kept."""
    return {history[rule(history)]["epoch"] for rule in RULES.values()}


def logit_epochs(history: History) -> set[int]:
    """The numbers of the epochs whose logits are kept: those that an honest rule would report.

    Logits of three epochs would take more than 1 MB of a run on AV-MNIST. Those of the test
    oracle's epoch are therefore there only if another rule reports that epoch too.
    """
    return {history[rule(history)]["epoch"] for rule in (val_best, last)}


def _first_best(history: History, split: str) -> int:
    accuracies = [epoch[split]["acc_mm"] for epoch in history]
    return accuracies.index(max(accuracies))
