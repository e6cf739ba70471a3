"""docs/add-a-dataset.md, followed to the letter."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

from tests.documents import ROOT, blocks, commands, copy_of_suite, follow

DOCUMENT = ROOT / "docs" / "add-a-dataset.md"


def test_a_dataset_of_ones_own_trains_is_audited_and_has_a_price(tmp_path: Path) -> None:
    place = copy_of_suite(tmp_path)
    (loader, make_raw), (entry,) = blocks(DOCUMENT, "python"), blocks(DOCUMENT, "yaml")
    (name,) = yaml.safe_load(entry)
    (place / "datasets" / name).mkdir()
    (place / "datasets" / name / "loader.py").write_text(loader)
    configs = place / "benchmarks" / "configs" / "datasets.yaml"
    configs.write_text(configs.read_text() + entry)
    subprocess.run([sys.executable, "-c", make_raw], cwd=place, check=True)

    see, prepare, estimate = map(commands, blocks(DOCUMENT))
    told = follow(place, [*see, *prepare, *estimate])
    listed, sources, trained, status, prepared, state, audited, measured, plan = told
    assert name in listed
    assert "gestures.npz" in sources and "example.org" in sources
    (accuracy,) = re.findall(r"val-best.*test accuracy\D*([\d.]+)", trained)
    assert float(accuracy) > 30
    heading, row = (
        next(line for line in status.splitlines() if line.startswith(word)).split()
        for word in ("table ", "table1 ")
    )
    assert row[heading.index("missing")] == "39"  # ten methods and three rows of one modality
    assert "train: 400 samples" in prepared
    state = " ".join(state.split())
    assert "prepared: the published data" in state and "protocols validation, published" in state
    assert re.search(r"leak +selection \(published\)", audited)
    assert re.search(r"ok +identical audio", audited) and "samples: train 400" in audited
    assert "small_transformer" in measured
    assert re.search(r"[\d.]+ h for 36 runs", plan)  # OGM-GE takes two modalities only
