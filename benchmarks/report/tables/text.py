"""What a table says in every format: its cells, the warnings before them, the notes after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.report import statistics
from benchmarks.report.tables.contrast import FEWEST_SEEDS
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.paper import MISSING, printed
from benchmarks.report.tables.table import Table
from benchmarks.report.tables.verdict import DIFFERS, MARGIN, REPRODUCED, WITHIN_NOISE
from benchmarks.report.wording import published_warning

MARKS = {REPRODUCED: "=", WITHIN_NOISE: "≈", DIFFERS: "≠"}  # in front of the paper's number
DAGGER = "†"  # marks stand-in data where only some of a table is
BELOW, ABOVE = "↓", "↑"  # significantly below or above the reference of the column


@dataclass(frozen=True)
class Style:
    """The marks of a format. `escape` takes plain text, the others what it gave."""

    escape: Callable[[str], str]
    bold: Callable[[str], str]
    footnote: Callable[[int], str]
    interval: bool = True  # ours with the 95 % interval of the mean


def ours(table: Table, row: str, column: str, style: Style) -> str:
    """`68.52 ± 0.41 [67.50, 69.54] (3)`, or why there is no number, and footnotes to it."""
    entry = table.at(row, column)
    if entry is None:
        return style.escape(MISSING)
    marked = table.partly_stand_in and entry.measured and entry.stand_in
    text = style.escape(_number(entry, style.interval) + DAGGER * marked)
    if row in table.best(column, lambda e: e.mean):
        text = style.bold(text)
    text += style.escape(_arrow(table, row, column))
    return text + (style.footnote(table.footnotes[entry.reason]) if entry.reason else "")


def papers(table: Table, row: str, column: str, style: Style) -> str:
    """The paper's number behind the mark of the verdict, `..` where it prints none."""
    entry = table.at(row, column)
    if entry is None:
        return style.escape(MISSING)
    text = style.escape(printed(entry.paper))
    if row in table.best(column, lambda e: e.paper):
        text = style.bold(text)
    mark = MARKS.get(entry.verdict)
    return f"{style.escape(mark)} {text}" if mark else text


def interval(table: Table, row: str, column: str) -> str:
    """`[67.50, 69.54]`: the 95 % interval of the mean over seeds; nothing without two runs."""
    entry = table.at(row, column)
    return _interval(entry) if entry else ""


def _number(entry: Entry, with_interval: bool) -> str:
    if not entry.measured:
        return entry.state
    count = len(entry.values)
    spread = f" ± {entry.sd:.2f}" if count > 1 else ""
    bounds = f" {_interval(entry)}" if with_interval and count > 1 else ""
    return f"{entry.mean:.2f}{spread}{bounds} ({count})"


def _interval(entry: Entry) -> str:
    low, high = entry.interval
    return f"[{low:.2f}, {high:.2f}]" if len(entry.values) > 1 else ""


def _arrow(table: Table, row: str, column: str) -> str:
    found = table.contrasts.get((row, column))
    if found is None or not found.significant:
        return ""
    return f" {BELOW}" if found.difference > 0 else f" {ABOVE}"


_SELECTION_WARNINGS = {
    "test-oracle": "TEST-ORACLE SELECTION: epochs were chosen on the test data, as the published "
    "code does; the accuracies are too high.",
}


def warnings(table: Table) -> list[str]:
    """What every reader must know: stand-in data, another schedule, selection on test data."""
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
    published = (e.cell.dataset for e in table.entries if e.published_protocol)
    found += published_warning(table.config, published)
    if table.selection in _SELECTION_WARNINGS:
        found.append(_SELECTION_WARNINGS[table.selection])
    return found


def notes(table: Table, intervals: bool = True) -> list[str]:
    """How the numbers came about, and how many have which verdict; only of what the table shows.

    `intervals` says that it shows those of the means.
    """
    seeds = sorted({seed for e in table.entries for seed in e.seeds})
    about = table.config.profiles[table.profile_name].about
    return [
        f"Accuracy in percent. {_ours(table, intervals)}{_papers(table)}",
        f"Reported epoch: {table.selection}. Seeds: {', '.join(map(str, seeds)) or 'none yet'}. "
        f"Profile: {table.profile_name} ({about}).",
        *_clips(table),
        *_significance(table),
        *_oracle_gain(table),
        f"Verdicts: {verdict_counts([table])}.",
    ]


def _ours(table: Table, intervals: bool) -> str:
    """How to read our numbers; empty where there are none."""
    counts = {len(e.values) for e in table.entries if e.measured}
    if not counts:
        return ""
    spread = " ± standard deviation" if max(counts) > 1 else ""
    bounds = ", in brackets the 95 % t interval of the mean" if spread and intervals else ""
    return f"Ours: mean{spread} over seeds (number of seeds){bounds}. "


def _papers(table: Table) -> str:
    """How to read the paper's numbers, with the marks that occur."""
    verdicts = {e.verdict for e in table.entries}
    marks = [f"{mark} {verdict}" for verdict, mark in MARKS.items() if verdict in verdicts]
    rule = f", at a margin of {MARGIN} points and beyond the test set's own error" if marks else ""
    return ", ".join(["Paper: as printed", *marks]) + f"{rule}."


def _clips(table: Table) -> list[str]:
    """Which datasets have several predictions per test sample, and what counts as one."""
    segmented = dict.fromkeys(
        (e.cell.dataset, run.data["segments"])
        for e in table.entries
        for run in e.runs
        if run.data.get("segments", 1) > 1
    )
    return [
        f"{table.config.datasets[name].label}: {count} predictions per clip; clips, not "
        "predictions, count as test samples of intervals and tests, which is cautious."
        for name, count in segmented
    ]


def _significance(table: Table) -> list[str]:
    """What the arrows mean, or why there are none."""
    if not table.contrasts:
        return []
    if not table.tested:
        reasons = dict.fromkeys(c.reason for c in table.contrasts.values())
        return [f"No differences tested: {next(iter(reasons))}."]
    references = " or ".join(dict.fromkeys(c.first.row for c in table.contrasts.values()))
    ahead = {c.difference > 0 for c in table.contrasts.values() if c.significant}
    arrows = [f"{BELOW} significantly below"] * (True in ahead)
    arrows += [f"{ABOVE} significantly above"] * (False in ahead)
    said = ", ".join(arrows) or "No row is significantly below or above"
    return [
        f"{said} {references} in {table.contest}, by the paired bootstrap over seeds and test "
        f"samples (stored predictions, at least {FEWEST_SEEDS} common seeds), Holm within the "
        "column, 5 %."
    ]


def _oracle_gain(table: Table) -> list[str]:
    """What choosing the epochs on the test data would have added on average, and at most."""
    fused = {
        f"{e.row}, {table.config.datasets[e.cell.dataset].label}": statistics.mean(e.oracle_gains)
        for e in table.entries
        if e.measured and e.metric == "acc_mm" and not e.published_protocol
    }
    if not fused:
        return []
    place, most = max(fused.items(), key=lambda item: item[1])
    return [
        "Choosing the epoch on the test data instead of the validation data would add "
        f"{statistics.mean(list(fused.values())):.2f} points to fused accuracy on average, at most "
        f"{most:.2f} ({place})."
    ]


def verdict_counts(tables: Sequence[Table]) -> str:
    """How many entries have which verdict, such as `2 reproduced, 89 not run`."""
    counts = Counter(e.verdict for table in tables for e in table.entries)
    return ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common()) or "none"
