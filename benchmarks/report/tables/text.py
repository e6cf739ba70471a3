"""What a table says in every format: its cells, the warnings before them, the notes after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.report import statistics
from benchmarks.report.rules.cell import LEVEL, MARGIN
from benchmarks.report.tables.contrast import FEWEST_SEEDS
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.paper import MISSING, printed
from benchmarks.report.tables.table import Table
from benchmarks.report.tables.verdict import DIFFERS, INCONCLUSIVE, OBSTACLES, REPRODUCED
from benchmarks.report.wording import published_warning

MARKS = {REPRODUCED: "=", INCONCLUSIVE: "?", DIFFERS: "≠"}  # in front of the paper's number
VERDICTS = (REPRODUCED, DIFFERS, INCONCLUSIVE, *OBSTACLES)  # in the order that readers see
DAGGER = "†"  # marks stand-in data where only some of a table is
NAMED = 6  # places in a note; the CSV files have all of them
TIED = "≈"  # the best of the column is not significantly better
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
    if table.rank(row, column) == 1:
        text = style.bold(text)
    text += style.escape(f" {TIED}" * table.tied(row, column) + _arrow(table, row, column))
    return text + (style.footnote(table.footnotes[entry.reason]) if entry.reason else "")


def papers(table: Table, row: str, column: str, style: Style) -> str:
    """The paper's number behind the mark of the verdict, `..` where it prints none."""
    entry = table.at(row, column)
    if entry is None:
        return style.escape(MISSING)
    text = style.escape(printed(entry.paper))
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
    found = table.against_subject.get((row, column))
    if found is None or not found.significant:
        return ""
    return f" {BELOW}" if found.difference > 0 else f" {ABOVE}"


_SELECTION_WARNINGS = {
    "test-oracle": "TEST-ORACLE SELECTION: epochs were chosen on the test data, as the published "
    "code does; the accuracies are too high.",
}


def warnings(table: Table) -> list[str]:
    """What every reader must know: stand-in data, doubtful records, another schedule, selection on
    test data."""
    found = []
    if table.stand_in:
        labels = dict.fromkeys(e.cell.dataset for e in table.stand_in)
        names = ", ".join(table.config.datasets[d].label for d in labels)
        which = f" marked {DAGGER} ({names})" if table.partly_stand_in else ""
        found.append(
            f"STAND-IN DATA: our numbers{which} come from generated data and say nothing about "
            "the paper."
        )
    found += _doubts(table)
    if table.departures:
        details = ", ".join(table.departures)
        found.append(f"NOT THE PAPER'S SCHEDULE, hence no verdicts: {details}.")
    published = (e.cell.dataset for e in table.entries if e.published_protocol)
    found += published_warning(table.config, published)
    if table.selection in _SELECTION_WARNINGS:
        found.append(_SELECTION_WARNINGS[table.selection])
    return found


def _doubts(table: Table) -> list[str]:
    """Which cells have records that cannot be trusted; nothing where all can."""
    places: dict[str, list[str]] = {}
    for e in table.entries:
        for kind in dict.fromkeys(finding.kind for finding in e.doubts):
            places.setdefault(kind, []).append(f"{e.row} {e.column}")
    return [f"{kind.upper()}, hence no verdict: {_listed(p)}." for kind, p in places.items()]


def notes(table: Table, intervals: bool = True) -> list[str]:
    """How the numbers came about, and how many have which verdict; only of what the table shows.

    `intervals` says that it shows those of the means.
    """
    seeds = sorted({seed for e in table.entries for seed in e.seeds})
    about = table.config.profiles[table.profile_name].about
    return [
        f"Accuracy in percent. {_ours(table, intervals)}{_papers(table)}",
        f"Reported epoch: {table.selection}. {_seeds(seeds)} "
        f"Profile: {table.profile_name} ({about}).",
        *_clips(table),
        *_power(table),
        *_significance(table),
        *table.rank_sentences(),
        *_oracle_gain(table),
        f"Verdicts: {verdict_counts([table])}.",
    ]


def _seeds(seeds: Sequence[int]) -> str:
    """How many there are, and which: `Seeds: 0.` reads as if there were none."""
    if len(seeds) == 1:
        return f"One seed: {seeds[0]}."
    return f"Seeds: {', '.join(map(str, seeds)) or 'none yet'}."


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
    rule = f" (margin {MARGIN:g} point, tests at {100 * LEVEL:.0f} %)" if marks else ""
    return ", ".join(["Paper: as printed", *marks]) + f"{rule}."


def _power(table: Table) -> list[str]:
    """What the compared cells could have shown, and where the epoch rules disagree."""
    judged = [e for e in table.entries if e.verdict in (INCONCLUSIVE, DIFFERS)]
    smallest = [e.judgement.smallest_difference for e in judged if e.verdict == INCONCLUSIVE]
    told = []
    if smallest:
        low, high = min(smallest), max(smallest)
        told.append(
            f"Inconclusive cells could have shown a difference of {low:.2f} points"
            + (f" to {high:.2f} points, depending on the cell." if high > low else " or more.")
        )
    noted: dict[str, list[str]] = {}
    for e in judged:
        noted.setdefault(e.judgement.note, []).append(f"{e.row} {e.column}")
    return told + [f"{note}: {', '.join(places)}." for note, places in noted.items() if note]


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
    tests = table.against_subject
    untested: dict[str, list[str]] = {}
    for (row, column), c in tests.items():
        untested.setdefault(c.reason, []).append(f"{row} {column}")
    untested.pop("", None)
    gaps = [
        f"Not tested ({reason}; this does not mean that they are equal): {_listed(places)}."
        for reason, places in untested.items()
    ]
    if not table.tested:
        return gaps
    references = " or ".join(dict.fromkeys(c.first.row for c in tests.values()))
    ahead = {c.difference > 0 for c in tests.values() if c.significant}
    arrows = [f"{BELOW} significantly below"] * (True in ahead)
    arrows += [f"{ABOVE} significantly above"] * (False in ahead)
    said = ", ".join(arrows) or "No row is significantly below or above"
    return [
        f"{said} {references} in {table.contest}, by paired tests over seeds and test samples "
        f"(stored predictions, at least {FEWEST_SEEDS} common seeds), Holm within the column, 5 %.",
        *gaps,
    ]


def _listed(places: Sequence[str]) -> str:
    """The first places, and how many more there are."""
    more = len(places) - NAMED
    return ", ".join(places[:NAMED]) + (f" and {more} more" if more > 0 else "")


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


def rank_legend(table: Table, mark: str) -> list[str]:
    """What the mark of the first rank means; nothing where no row is ranked."""
    text = (
        f"{mark}: rank 1 of {table.contest}; no row is significantly better after Holm over all "
        "pairs. Arrows take fewer tests, so a row may have both."
    )
    places = ((e.row, e.column) for e in table.entries)
    tie = f"{TIED}: tied with the best mean, which has the same rank."
    return [text] * table.ranked + [tie] * any(table.tied(*place) for place in places)


def verdict_counts(tables: Sequence[Table]) -> str:
    """How many entries have which verdict, such as `2 reproduced, 89 not run`."""
    counts = Counter(e.verdict for table in tables for e in table.entries)
    found = [f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]]
    return ", ".join(found) or "none"
