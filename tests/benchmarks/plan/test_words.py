"""Wrong words of a run are named without torch, by what the methods' files say."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, get_type_hints

import pytest

from baselines.registry import METHODS
from benchmarks.plan.words import can_be_set, hyperparameters_of
from msam.parameters import hyperparameters
from tests.syntax import ROOT


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_files_say_what_the_classes_say(method: str) -> None:
    found, cls = hyperparameters_of(method), METHODS[method]
    hints = get_type_hints(cls.__init__, include_extras=True)
    assert set(found) >= set(hyperparameters(cls))
    for name in hyperparameters(cls):
        assert found[name] in (Any, hints[name]), name


def test_options_of_a_literal_are_known() -> None:
    assert hyperparameters_of("msam")["split"] is not Any
    assert hyperparameters_of("msam")["rho"] is Any


def test_what_can_be_set() -> None:
    assert all(map(can_be_set, ("rho", "epochs", "lr", "split")))
    assert not can_be_set("dataset")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["--dataset", "avmnits"], "'avmnist'"),
        (["--dataset", "avmnits", "--set", "rho=0.1"], "'avmnist'"),
        (["--method", "msma"], "'msam'"),
        (["--fusion", "lat"], "'late'"),
        (["--set", "roh=0.1"], "'rho'"),
        (["--set", "split=respons"], "'response'"),
        (["--set", "epoch=3"], "'epochs'"),
        (["--modalities", "vidual"], "'visual'"),
        (["--rho", "0.1"], "--set rho=0.1"),
        (["--rho=0.1"], "--set rho=0.1"),
        (["--batch-size", "32"], "--set batch_size=32"),
    ],
)
def test_a_typo_is_answered_before_torch_is_imported(
    tmp_path, typed: list[str], meant: str
) -> None:
    words = ["run", "--dataset", "avmnist", "--method", "msam", "--profile", "demo", *typed]
    code = (
        "import sys\nfrom benchmarks.__main__ import main\n"
        f"status = main({[*words, '--out', str(tmp_path)]!r})\n"
        "sys.exit('torch' if 'torch' in sys.modules else status)"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and meant in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1
