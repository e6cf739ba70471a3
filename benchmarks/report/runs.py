"""What the results of single runs are called, so that every table and figure says the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from benchmarks.config_schema import Config
from benchmarks.record import RunRecord
from benchmarks.report.protocol import LABEL, is_published
from datasets.label_noise import OPTION as LABEL_NOISE


def run_labels(config: Config, runs: Iterable[RunRecord]) -> dict[str, str]:
    """The label of every `cell_id`: the method's, with the hyperparameters that are not those of
    `methods.yaml`, wrong labels and the published protocol, and with the id itself where that does
    not tell two cells apart."""
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
