"""docs/add-a-method.md, followed to the letter."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.documents import ROOT, blocks, commands, copy_of_suite, follow

DOCUMENT = ROOT / "docs" / "add-a-method.md"


def test_a_method_of_ones_own_keeps_the_contract_and_trains(tmp_path: Path) -> None:
    place = copy_of_suite(tmp_path)
    make, check = map(commands, blocks(DOCUMENT))
    (code,), (entry,) = blocks(DOCUMENT, "python"), blocks(DOCUMENT, "yaml")
    follow(place, make)
    (name,) = yaml.safe_load(entry)
    assert (place / "baselines" / f"{name}.py").exists()
    (place / "baselines" / f"{name}.py").write_text(code)
    methods = place / "benchmarks" / "configs" / "methods.yaml"
    before, _, _ = methods.read_text().partition(f"{name}:\n")
    methods.write_text(before + entry)
    checked, trained = follow(place, check)
    assert f"{name} keeps the contract" in checked
    assert "test accuracy" in trained
