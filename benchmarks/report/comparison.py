"""All entries of all tables against the paper: a frame, a text, an exit status."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import pandas as pd
from tabulate import tabulate

from benchmarks.exit_status import Exit
from benchmarks.report import statistics
from benchmarks.report.dataframes import frame_of
from benchmarks.report.rules.cell import differs_in_sum
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.paper import column_name, printed
from benchmarks.report.tables.table import Table
from benchmarks.report.tables.text import verdict_counts, warnings
from benchmarks.report.tables.verdict import COMPARED, DIFFERS, INCONCLUSIVE, NO_PAPER_VALUE
from datasets.errors import counted

REASON_WIDTH = 48  # on the terminal; the file has all of it


def comparison_frame(tables: Sequence[Table]) -> pd.DataFrame:
    """The lines of `comparison.csv`, one per entry; percent, NaN where there is no number."""
    entries = [(table, entry) for table in tables for entry in table.entries]
    in_sum = differs_in_sum([entry.judgement for _, entry in entries])
    items = [(*pair, differs) for pair, differs in zip(entries, in_sum, strict=True)]
    return frame_of(_COMPARISON, items).astype({"test_samples": "Int64", "rank": "Int64"})


def significance_frame(tables: Sequence[Table]) -> pd.DataFrame:
    """The lines of `significance.csv`, one per paired test; differences in percentage points."""
    pairs = [(table, test) for table in tables for test in table.contrasts.values()]
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


def comparison_text(tables: Sequence[Table]) -> str:
    """The terminal's text: warnings, a row per entry with runs, and how many have none."""
    loud = dict.fromkeys(f"!!! {text}" for table in tables for text in warnings(table))
    headers = ["table", "method", "column", "n", "ours", "paper", "difference", "verdict", "why"]
    pairs = [(table, entry) for table in tables for entry in table.entries]
    rows = [_short(table, entry) for table, entry in pairs if entry.started]
    idle = Counter(entry.reason or entry.state for _, entry in pairs if not entry.started)
    left_out = [f"{counted(n, 'cell')} not run: {reason}" for reason, n in idle.most_common()]
    align = ["left"] * 3 + ["right"] * 4 + ["left"] * 2
    grid = (
        tabulate(rows, headers, disable_numparse=True, colalign=align) if rows else "no records yet"
    )
    nothing = ["Nothing was compared with the paper."] * (not _compared(tables))
    verdicts = f"Verdicts: {verdict_counts(tables)}."
    summary = "\n".join([*left_out, *nothing, *_in_sum(tables), verdicts])
    return "\n\n".join([*loud, grid, summary])


def side_by_side(published: Sequence[Table], own: Sequence[Table]) -> str:
    """A row per entry with runs: the paper, the published runs, one's own, and their difference."""
    places = {(t.name, e.row, e.column): e for t in own for e in t.entries}
    rows = []
    for table in published:
        for entry in table.entries:
            other = places.get((table.name, entry.row, entry.column))
            if not (entry.measured or (other and other.measured)):
                continue
            difference = other.mean - entry.mean if other else math.nan
            rows.append(
                [
                    *(table.name, entry.row, entry.column, printed(entry.paper)),
                    *(_mean(entry), _mean(other) if other else ""),
                    "" if math.isnan(difference) else f"{difference:+.2f}",
                ]
            )
    headers = ["table", "method", "column", "paper", "published", "own", "own - published"]
    align = ["left"] * 3 + ["right"] * 4
    grid = tabulate(rows, headers, disable_numparse=True, colalign=align)
    return grid if rows else "no records yet"


def _mean(entry: Entry) -> str:
    """Mean, spread and number of runs; empty without a run."""
    spread = f" ± {entry.sd:.2f}" if len(entry.values) > 1 else ""
    return f"{entry.mean:.2f}{spread} ({len(entry.values)})" if entry.measured else ""


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


def _in_sum(tables: Sequence[Table]) -> list[str]:
    """How many cells differ, alone and after Holm; nothing where none does."""
    judged = [e.judgement for table in tables for e in table.entries if e.verdict in COMPARED]
    alone = sum(each.verdict == DIFFERS for each in judged)
    text = (
        f"{counted(alone, 'cell')} of {len(judged)} compared {'differ' if alone > 1 else 'differs'}"
        f"; after Holm over all of them: {sum(differs_in_sum(judged))}."
    )
    return [text] * bool(alone)


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
    "row": lambda table, test: test.second.row,
    "seeds": lambda table, test: " ".join(map(str, test.seeds)),
    "difference": lambda table, test: test.difference,
    "ci_low": lambda table, test: test.low,
    "ci_high": lambda table, test: test.high,
    "p": lambda table, test: test.p,
    "p_holm": lambda table, test: test.adjusted,
    "significant": lambda table, test: "" if test.reason else test.significant,
    "not_tested_because": lambda table, test: test.reason,
    "published_protocol": lambda table, test: (
        test.first.published_protocol or test.second.published_protocol
    ),
}


def _short(table: Table, entry: Entry) -> list[str]:
    spread = f" ± {entry.sd:.2f}" if len(entry.values) > 1 else ""
    difference = "" if math.isnan(entry.difference) else f"{entry.difference:+.2f}"
    reason = entry.reason or (entry.state if not entry.measured else "")
    if entry.verdict == INCONCLUSIVE:
        least = f"could have shown {entry.judgement.smallest_difference:.2f} points"
        reason = "; ".join(filter(None, [entry.judgement.note or least, reason]))
    if len(reason) > REASON_WIDTH:
        reason = reason[: REASON_WIDTH - 1] + "…"
    return [
        table.name,
        entry.row,
        entry.column,
        str(len(entry.values)),
        f"{entry.mean:.2f}{spread}" if entry.measured else "",
        printed(entry.paper),
        difference,
        entry.verdict,
        reason,
    ]
