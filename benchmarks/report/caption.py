"""The sentences around a table: warnings before its numbers, how to read them after."""

from __future__ import annotations

from collections import Counter

from benchmarks.report.table import Table
from benchmarks.report.verdict import DIFFERS, MARGIN, REPRODUCED, WITHIN_NOISE

MARKS = {REPRODUCED: "=", WITHIN_NOISE: "≈", DIFFERS: "≠"}  # in front of the paper's number
DAGGER = "†"  # marks stand-in data where only some of a table is

_SELECTION_WARNINGS = {
    "test-oracle": "TEST-ORACLE SELECTION: epochs were chosen on the test data, as the published "
    "code does; the accuracies are too high.",
}


def warnings(table: Table) -> list[str]:
    """What nobody may miss: stand-in data, another schedule, selection on test data."""
    found = []
    if table.stand_in:
        labels = dict.fromkeys(e.cell.dataset for e in table.stand_in)
        names = ", ".join(table.config.datasets[d].label for d in labels)
        which = f" marked {DAGGER} ({names})" if table.partly_stand_in else ""
        found.append(
            f"STAND-IN DATA: our numbers{which} come from generated data and say nothing about "
            "the paper."
        )
    if table.departures:
        details = ", ".join(table.departures)
        found.append(f"NOT THE PAPER'S SCHEDULE, hence no verdicts: {details}.")
    if table.selection in _SELECTION_WARNINGS:
        found.append(_SELECTION_WARNINGS[table.selection])
    return found


def notes(table: Table) -> list[str]:
    """How the numbers came about, and the verdicts in sum."""
    seeds = sorted({seed for e in table.entries for seed in e.seeds})
    about = table.config.profiles[table.profile_name].about
    return [
        "Accuracy in percent. Ours: mean ± standard deviation over seeds (number of seeds); "
        f"paper: as printed, {MARKS[REPRODUCED]} reproduced, {MARKS[WITHIN_NOISE]} within noise, "
        f"{MARKS[DIFFERS]} differs, at a margin of {MARGIN} points.",
        f"Reported epoch: {table.selection}. Seeds: {', '.join(map(str, seeds)) or 'none yet'}. "
        f"Profile: {table.profile_name} ({about}).",
        f"Verdicts: {verdict_counts([table])}.",
    ]


def verdict_counts(tables: list[Table]) -> str:
    """How many entries have which verdict, such as `2 reproduced, 89 not run`."""
    counts = Counter(e.verdict for table in tables for e in table.entries)
    return ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common()) or "none"
