"""All entries of all tables against the paper: a frame, an exit status, and what `compare` shows:
a summary in words, then the numbers that matter."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from benchmarks.exit_status import Exit
from benchmarks.report import statistics
from benchmarks.report.claims.answers import Answer, claims_screen
from benchmarks.report.dataframes import frame_of
from benchmarks.report.rules.cell import MARGIN, differs_in_sum
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.paper import column_name, printed, short_name
from benchmarks.report.tables.table import Table
from benchmarks.report.tables.text import VERDICTS, warnings
from benchmarks.report.tables.verdict import (
    COMPARED,
    DIFFERS,
    INCONCLUSIVE,
    NO_PAPER_VALUE,
    NOT_STARTED,
    OBSTACLES,
    OTHER_PROTOCOL,
    REPRODUCED,
    STAND_IN,
    TOO_FEW,
)
from benchmarks.terminal import bold, definitions, grid, loud, styled, wrapped
from datasets.errors import counted

Pair = tuple[Table, Entry]


def comparison_frame(tables: Sequence[Table]) -> pd.DataFrame:
    """The lines of `comparison.csv`, one per entry; percent, NaN where there is no number."""
    entries = [(table, entry) for table in tables for entry in table.entries]
    in_sum = differs_in_sum([entry.judgement for _, entry in entries])
    items = [(*pair, differs) for pair, differs in zip(entries, in_sum, strict=True)]
    return frame_of(_COMPARISON, items).astype({"test_samples": "Int64", "rank": "Int64"})


def significance_frame(tables: Sequence[Table]) -> pd.DataFrame:
    """The lines of `significance.csv`, one per paired test; differences in percentage points."""
    pairs = [(table, test) for table in tables for test in table.contrasts]
    return frame_of(_SIGNIFICANCE, pairs)


def wide_frame(table: Table) -> pd.DataFrame:
    """Our means in the shape of `results/printed/<name>.csv`: same rows, columns and names.

    Numbers from stand-in data, or under the published protocol, add a column that names their
    datasets.
    """
    entries = comparison_frame([table])
    means = entries.pivot(index="row", columns=["dataset", "metric"], values="mean")
    means.columns = [column_name(*place) for place in means.columns]
    wide = means.reindex(index=table.all_rows, columns=table.all_columns)
    wide = wide.map(printed)
    for mark in ("stand_in", "published_protocol"):
        marked = entries[entries[mark] & (entries["n"] > 0)]
        if len(marked):
            named = marked.groupby("row")["dataset"].agg(lambda names: " ".join(names.unique()))
            wide[mark] = named.reindex(wide.index, fill_value="")
    return wide.rename_axis(index="row", columns=None).reset_index()


def comparison_text(
    tables: Sequence[Table], claims: Sequence[Answer] = (), everything: bool = False
) -> str:
    """What `compare` shows: warnings, a summary, the numbers.

    Cells that were compared with the paper have a line each, those that differ first. Other numbers
    stand beside the paper's in a small table per dataset. With `everything`, also cells that
    reproduce, numbers for which the paper has none, and every one of the `claims`.
    """
    warned = dict.fromkeys(f"!!! {text}" for table in tables for text in warnings(table))
    pairs = [(table, entry) for table in tables for entry in table.entries]
    parts = [loud(wrapped(text)) for text in warned]
    parts += ["\n".join(_summary(tables, pairs)), *_lists(pairs, everything)]
    parts += [text for table in tables for text in _beside(table, everything)]
    parts += _claims(claims, everything)
    if not everything and any(entry.started for _, entry in pairs):
        parts.append(
            wrapped(
                "--all adds every other cell and every claim; ./reproduce.sh report has spreads, "
                "ranks and notes."
            )
        )
    return "\n\n".join(parts)


def side_by_side(published: Sequence[Table], own: Sequence[Table]) -> str:
    """A row per entry with runs: the paper, the published runs, one's own, and their difference.

    A table that only one of them has is shown too.
    """
    ours, others = _by_place(published), _by_place(own)
    rows = []
    for place, (table, entry) in {**ours, **others}.items():
        first, second = (found[place][1] if place in found else None for found in (ours, others))
        if not any(each and each.measured for each in (first, second)):
            continue
        difference = second.mean - first.mean if first and second else math.nan
        rows.append(
            [
                *(table.name, _accuracy(table, entry), entry.row, printed(entry.paper)),
                *(_mean(each) if each else "" for each in (first, second)),
                "" if math.isnan(difference) else f"{difference:+.2f}",
            ]
        )
    headers = ["table", "accuracy", "method", "paper", "published", "own", "difference"]
    return grid(headers, rows, "lwwrrrr") if rows else "There are no records yet."


def _by_place(tables: Sequence[Table]) -> dict[tuple[str, str, str], Pair]:
    return {(t.name, e.row, e.column): (t, e) for t in tables for e in t.entries}


def _mean(entry: Entry) -> str:
    """Mean, spread and number of runs; empty without a run."""
    spread = f" ± {entry.sd:.2f}" if len(entry.values) > 1 else ""
    return f"{entry.mean:.2f}{spread} ({len(entry.values)})" if entry.measured else ""


def _accuracy(table: Table, entry: Entry) -> str:
    """Such as `AV-MNIST audio`."""
    return f"{table.config.datasets[entry.cell.dataset].label} {_metric(entry.column)}"


def exit_status(tables: Sequence[Table]) -> Exit:
    """DIFFERS if an entry does after Holm over all; else UNDECIDED if one was not compared.

    Every obstacle gives UNDECIDED, except where the paper prints no number: nothing reproduces
    silently. Where nothing was compared at all, UNDECIDED as well.
    """
    entries = [entry for table in tables for entry in table.entries]
    if any(differs_in_sum([entry.judgement for entry in entries])):
        return Exit.DIFFERS
    verdicts = {entry.verdict for entry in entries}
    undecided = verdicts - COMPARED - {NO_PAPER_VALUE} or not _compared(tables)
    return Exit.UNDECIDED if undecided else Exit.FINE


MEANING = {
    REPRODUCED: f"our mean is within {MARGIN:g} point of the paper's number, by tests",
    DIFFERS: "chance does not explain the difference",
    INCONCLUSIVE: "undecided: seeds are too few or differ too much; only a difference of the "
    "size `visible` or more could have been shown",
    STAND_IN: "generated data says nothing about the paper",
    OTHER_PROTOCOL: "shown beside the paper's numbers, without a verdict",
    NO_PAPER_VALUE: "the paper prints no number for these cells",
    TOO_FEW: "a verdict needs all planned seeds",
}


def _summary(tables: Sequence[Table], pairs: Sequence[Pair]) -> list[str]:
    """How many cells have which verdict, in words, and what that means in sum."""
    counts = Counter(entry.verdict for _, entry in pairs)
    reasons = Counter(e.reason or e.state for _, e in pairs if e.verdict == NOT_STARTED)
    meaning = {**MEANING, NOT_STARTED: "; ".join(f"{r} ({n})" for r, n in reasons.most_common())}
    order = (*(v for v in VERDICTS if v != NOT_STARTED), NOT_STARTED)
    found = {f"{counts[v]:>4} {v}": meaning.get(v, "") for v in order if counts[v]}
    head = _question(tables)
    lines = [wrapped(head), *definitions(found, indent="")]
    if not _compared(tables):
        lines += ["", "Nothing was compared with the paper."]
    if not any(entry.started for _, entry in pairs):
        lines.append("There are no records yet.")
    return [styled("\n".join([*lines, *_in_sum(tables)]), _SUMMARY)]


_SUMMARY = {
    r"^ *\d+ reproduced\b": "green",
    r"^ *\d+ differs\b": "red",
    r"^ *\d+ inconclusive\b": "yellow",
    r"^.*:$": "bold",
}


def _question(tables: Sequence[Table]) -> str:
    if not tables:
        return "Do the paper's numbers reproduce? No table was asked."
    names = ", ".join(table.name for table in tables)
    first = tables[0]
    return (
        f"Do the paper's numbers reproduce? Cells of {names}, profile {first.profile_name}, epochs "
        f"by {first.selection}:"
    )


def _in_sum(tables: Sequence[Table]) -> list[str]:
    """How many cells differ, alone and after Holm; nothing where none does."""
    judged = [e.judgement for table in tables for e in table.entries if e.verdict in COMPARED]
    alone = sum(each.verdict == DIFFERS for each in judged)
    text = (
        f"{counted(alone, 'cell')} of {len(judged)} compared {'differ' if alone > 1 else 'differs'}"
        f"; after Holm over all of them: {sum(differs_in_sum(judged))}."
    )
    return ["", wrapped(text)] * bool(alone)


def _lists(pairs: Sequence[Pair], everything: bool) -> list[str]:
    """A table of cells per verdict: those that differ first, then the undecided, then those whose
    runs were refused; those that reproduce only with `everything`."""
    shown = [v for v in (DIFFERS, INCONCLUSIVE, *OBSTACLES) if v not in _NOT_LISTED]
    found = []
    for verdict in (*shown, *[REPRODUCED] * everything):
        chosen = [pair for pair in pairs if pair[1].verdict == verdict and pair[1].started]
        if verdict in COMPARED:
            chosen.sort(key=lambda pair: -abs(pair[1].difference))
        if chosen:
            heading = f"{verdict[0].upper()}{verdict[1:]} ({counted(len(chosen), 'cell')})"
            found.append(_list(heading, [_line(table, entry) for table, entry in chosen]))
    return found


def _list(heading: str, lines: Sequence[Sequence[str]]) -> str:
    """A table of cells, without empty columns; a reason that all of them share stands above it."""
    reasons = {line[-1] for line in lines}
    shared = reasons.pop() if len(reasons) == 1 else ""
    width = len(_HEADS) - bool(shared)
    used = [i for i in range(width) if i < _ALWAYS or any(line[i] for line in lines)]
    cells = [[line[i] for i in used] for line in lines]
    align = "".join("llwrrrrw"[i] for i in used)
    above = bold(wrapped(f"{heading}: {shared}" if shared else f"{heading}:"))
    return f"{above}\n{grid([_HEADS[i] for i in used], cells, align)}"


_NOT_LISTED = (STAND_IN, NO_PAPER_VALUE, NOT_STARTED, OTHER_PROTOCOL)
_HEADS = ("table", "accuracy", "method", "ours (seeds)", "paper", "difference", "visible", "why")
_ALWAYS = 6  # of these columns are shown even where they are empty


def _line(table: Table, entry: Entry) -> list[str]:
    """A cell in human words. `visible` is the smallest difference that it could have shown."""
    ours = _mean(entry) or entry.state
    difference = "" if math.isnan(entry.difference) else f"{entry.difference:+.2f}"
    least = entry.judgement.smallest_difference
    visible = f"{least:.2f}" if entry.verdict == INCONCLUSIVE else ""
    why = "; ".join(filter(None, [entry.judgement.note, entry.reason]))
    accuracy, paper = _accuracy(table, entry), printed(entry.paper)
    return [table.name, accuracy, entry.row, ours, paper, difference, visible, why]


def _metric(column: str) -> str:
    """`audio`, or `fused` for the accuracy of all modalities together."""
    name = short_name(column)
    return "fused" if name == "mm" else name


def _beside(table: Table, everything: bool) -> list[str]:
    """Our means beside the paper's numbers, a block per dataset, for what has no verdict."""
    wanted = (STAND_IN, OTHER_PROTOCOL, *[NO_PAPER_VALUE] * everything)
    entries = [e for e in table.entries if e.measured and e.verdict in wanted]
    if not everything and all(math.isnan(e.paper) for e in entries):
        return []
    blocks = []
    for dataset in table.datasets:
        places = {(e.row, e.column): e for e in entries if e.cell.dataset == dataset}
        names = [c for c in table.columns(dataset) if any(c == column for _, column in places)]
        rows = [
            [row, *(text for c in names for text in _both(places.get((row, c))))]
            for row in table.rows(dataset)
            if any((row, c) in places for c in names)
        ]
        if rows:
            heads = ["method", *(text for c in names for text in (_metric(c), "paper"))]
            seeds = sorted({s for e in places.values() for s in e.seeds})
            title = (
                f"{table.title}, {table.config.datasets[dataset].label}: ours "
                f"({counted(len(seeds), 'seed')}) beside the paper's, no verdict"
            )
            blocks.append(
                f"{bold(wrapped(title))}\n{grid(heads, rows, 'w' + 'r' * (len(heads) - 1), {})}"
            )
    return blocks


def _both(entry: Entry | None) -> list[str]:
    return [f"{entry.mean:.2f}", printed(entry.paper)] if entry else ["", ""]


def _claims(claims: Sequence[Answer], everything: bool) -> list[str]:
    """How the paper's claims fare: in one line, or with `everything` each of them."""
    if not claims:
        return []
    if everything:
        heading = bold("The paper's claims")
        return [f"{heading}\n{claims_screen(claims)}"]
    ours = Counter(answer.ours for answer in claims)
    told = ", ".join(f"{n} {answer}" for answer, n in ours.most_common())
    count = len({answer.claim.name for answer in claims})
    return [wrapped(f"The paper's {count} claims, column by column, of our numbers: {told}.")]


def _compared(tables: Sequence[Table]) -> bool:
    return any(entry.verdict in COMPARED for table in tables for entry in table.entries)


_COMPARISON = {
    "suite": lambda table, entry, _: table.name,
    "row": lambda table, entry, _: entry.row,
    "dataset": lambda table, entry, _: entry.cell.dataset,
    "metric": lambda table, entry, _: entry.metric,
    "n": lambda table, entry, _: len(entry.values),
    "mean": lambda table, entry, _: entry.mean,
    "sd": lambda table, entry, _: entry.sd,
    "ci_low": lambda table, entry, _: entry.interval[0],
    "ci_high": lambda table, entry, _: entry.interval[1],
    "paper": lambda table, entry, _: entry.paper,
    "difference": lambda table, entry, _: entry.difference,
    "verdict": lambda table, entry, _: entry.verdict,
    "state": lambda table, entry, _: entry.state,
    "reason": lambda table, entry, _: entry.reason,
    "profile": lambda table, entry, _: table.profile_name,
    "selection": lambda table, entry, _: table.selection,
    "stand_in": lambda table, entry, _: entry.stand_in,
    "seeds": lambda table, entry, _: " ".join(map(str, entry.seeds)),
    "run_ids": lambda table, entry, _: " ".join(run.run_id for run in entry.runs),
    "test_samples": lambda table, entry, _: entry.test_samples,
    "wilson_low": lambda table, entry, _: entry.test_interval[0],
    "wilson_high": lambda table, entry, _: entry.test_interval[1],
    "equivalence_p": lambda table, entry, _: entry.judgement.equivalence_p,
    "differs_p": lambda table, entry, _: entry.judgement.differs_p,
    "differs_after_holm": lambda table, entry, in_sum: in_sum,
    "smallest_difference": lambda table, entry, _: entry.judgement.smallest_difference,
    "note": lambda table, entry, _: entry.judgement.note,
    "rank": lambda table, entry, _: table.rank(entry.row, entry.column),
    "oracle_gain": lambda table, entry, _: statistics.mean(entry.oracle_gains),
    "published_protocol": lambda table, entry, _: entry.published_protocol,
}

_SIGNIFICANCE = {
    "suite": lambda table, test: table.name,
    "column": lambda table, test: test.first.column,
    "reference": lambda table, test: test.first.row,
    "reference_method": lambda table, test: test.first.cell.row.method,
    "row": lambda table, test: test.second.row,
    "seeds": lambda table, test: " ".join(map(str, test.seeds)),
    "difference": lambda table, test: test.difference,
    "ci_low": lambda table, test: test.low,
    "ci_high": lambda table, test: test.high,
    "p": lambda table, test: test.p,
    "p_holm": lambda table, test: test.adjusted,
    "significant": lambda table, test: "" if test.reason else test.significant,
    "equivalence_p": lambda table, test: test.equivalence_p,
    "equivalent": lambda table, test: "" if test.reason else test.equivalent,
    "equivalent_within": lambda table, test: test.within,
    "not_tested_because": lambda table, test: test.reason,
    "published_protocol": lambda table, test: (
        test.first.published_protocol or test.second.published_protocol
    ),
}
