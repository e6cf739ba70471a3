"""Selection rules on a history worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks.records.selection import candidate_epochs, choose, logit_epochs

# val peaks first in epoch 2 (and again in 3), test in epoch 1.
HISTORY = [
    {"epoch": 1, "val": {"acc_mm": 0.5}, "test": {"acc_mm": 0.9}},
    {"epoch": 2, "val": {"acc_mm": 0.7}, "test": {"acc_mm": 0.6}},
    {"epoch": 3, "val": {"acc_mm": 0.7}, "test": {"acc_mm": 0.8}},
    {"epoch": 4, "val": {"acc_mm": 0.1}, "test": {"acc_mm": 0.1}},
]


@pytest.mark.parametrize(("rule", "epoch"), [("val-best", 2), ("last", 4), ("test-oracle", 1)])
def test_each_rule_picks_its_epoch_the_first_of_equals(rule, epoch):
    assert choose(rule, HISTORY)["epoch"] == epoch


def test_candidates_are_what_some_rule_would_report():
    assert candidate_epochs(HISTORY) == {1, 2, 4}
    assert candidate_epochs(HISTORY[:1]) == {1}


def test_logits_are_of_the_epochs_that_no_test_accuracy_chose():
    assert logit_epochs(HISTORY) == {2, 4}
    assert logit_epochs(HISTORY[:1]) == {1}


def test_an_unknown_rule_and_an_empty_history_are_refused():
    with pytest.raises(ValueError, match="val-best, last, test-oracle"):
        choose("best", HISTORY)
    with pytest.raises(ValueError, match="without a finished epoch"):
        choose("last", [])
