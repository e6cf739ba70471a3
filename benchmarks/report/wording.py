"""How the report words labels and numbers: the published protocol, percentages, p, runs."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from benchmarks.configs.schema import Config
from benchmarks.records.record import RunRecord
from datasets.tensors.label_noise import OPTION as LABEL_NOISE

LABEL = "published protocol"


def is_published(runs: Iterable[RunRecord]) -> bool:
    """True if a run chose its epoch on the samples that it reports, as the published code does."""
    return any(run.experiment.data.get("protocol") == "published" for run in runs)


def published_warning(config: Config, datasets: Iterable[str]) -> list[str]:
    """One sentence on these datasets, which have such runs; none without any."""
    reported: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(datasets):
        reported[config.datasets[name].published].append(config.datasets[name].label)
    listed = "; ".join(f"{', '.join(labels)}: {what}" for what, labels in reported.items())
    text = f"{LABEL.upper()}: epochs were chosen on the samples that are reported ({listed})."
    return [text] if reported else []


def number(value: float) -> str:
    """A percentage or a difference of two in a CSV, empty where there is none."""
    return "" if math.isnan(value) else f"{value:.4f}"


def p_value(value: float) -> str:
    """A p in a CSV, empty where there is none."""
    return "" if math.isnan(value) else f"{value:.3g}"


def run_labels(config: Config, runs: Iterable[RunRecord]) -> dict[str, str]:
    """The label of every `cell_id`: the method's, with its hyperparameters where they are not those
    of `methods.yaml`, wrong labels, and the published protocol. Where two cells have the same
    label, their ids are added."""
    labels = {run.experiment.cell_id: _label(config, run) for run in runs}
    count = Counter(labels.values())
    return {key: text if count[text] == 1 else f"{text} {key}" for key, text in labels.items()}


def _label(config: Config, run: RunRecord) -> str:
    method = config.methods[run.experiment.method]
    usual = method.values(run.experiment.dataset)
    changed = {k: v for k, v in run.experiment.params.items() if usual.get(k) != v}
    noise = run.experiment.data.get(LABEL_NOISE, 0)
    values = [
        *(f"{k}={v}" for k, v in changed.items()),
        *[f"{noise} % wrong labels"] * bool(noise),
        *[LABEL] * is_published([run]),
    ]
    return f"{method.label} ({', '.join(values)})" if values else method.label
