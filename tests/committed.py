"""What is committed under results/, and the numbers in it."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import yaml

from benchmarks.report.tables.paper import FOLDER as PRINTED

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])")


@cache
def files() -> tuple[Path, ...]:
    """Every committed file; outside a git checkout, all files."""
    words = ["git", "ls-files", "-z", "results"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    listed = [ROOT / name for name in done.stdout.split("\0") if name]
    return tuple(path for path in sorted(listed or RESULTS.rglob("*")) if path.is_file())


def tables(folders: tuple[str, ...]) -> list[Path]:
    """The tables and measurements of these folders and the paper's printed tables."""
    wanted = {PRINTED, *(RESULTS / name for name in folders)}
    return [
        path
        for path in files()
        if path.suffix in (".csv", ".md", ".json")
        and wanted & {*path.parents}
        and path.parent.name not in ("runs", "figures")
    ]


@cache
def numbers(paths: tuple[Path, ...]) -> frozenset[float]:
    """Every decimal in these files, without its sign."""
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return frozenset(float(n) for text in texts for n in DECIMAL.findall(text))


@cache
def reached(folder: str) -> frozenset[float]:
    """Test accuracies in percent and contributions in the last epoch of a folder of runs."""
    if not folder.endswith("/runs"):
        return frozenset()
    paths = [path for path in files() if path.parent == RESULTS / folder and path.suffix == ".json"]
    last = [json.loads(path.read_text(encoding="utf-8"))["history"][-1] for path in paths]
    accuracies = [100 * v for e in last for n, v in e["test"].items() if n.startswith("acc_")]
    shares = [v for e in last for n, v in e["train"].items() if n.startswith("contribution_")]
    return frozenset(accuracies + shares)


@cache
def costs() -> tuple[dict[str, str], ...]:
    """Measured times and sizes: what, command, value, machine, date and commit of each."""
    return tuple(yaml.safe_load((RESULTS / "costs.yaml").read_text(encoding="utf-8")))
