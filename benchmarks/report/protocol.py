"""The label of numbers under the published protocol."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from benchmarks.config_schema import Config
from benchmarks.record import RunRecord

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
