"""In every column the paper's method, or the best row, against each other row.

Rows whose training labels are wrong are compared with rows that have as many wrong labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.records.files import csv_text, write_text
from benchmarks.records.predictions import Predictions
from benchmarks.report.tables.contrast import Contrast, adjust, contrast
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.table import Table
from benchmarks.report.wording import number, p_value
from datasets.tensors.label_noise import OPTION as LABEL_NOISE

SUBJECT = "msam"  # the paper's method, the reference of every column that it is in


def contrasts(
    entries: Sequence[Entry], predictions: Predictions, selection: str
) -> dict[tuple[str, str], Contrast]:
    """Under (row, column): that row's reference against it, Holm within the column."""
    found = {}
    for column in dict.fromkeys(e.column for e in entries):
        measured = [e for e in entries if e.column == column and e.measured]
        tests = [contrast(*pair, predictions, selection) for pair in _pairs(measured)]
        found |= {(c.second.row, column): c for c in adjust(tests)}
    return found


def write_significance(tables: Sequence[Table], out: Path) -> Path:
    """Writes `significance.csv`, one line per comparison; differences in percentage points."""
    pairs = [(table, c) for table in tables for c in table.contrasts.values()]
    path = out / "significance.csv"
    write_text(path, csv_text([_COLUMNS, *(_line(table, c) for table, c in pairs)]))
    return path


def _pairs(measured: Sequence[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """Each row of a column behind its reference."""
    for noise in dict.fromkeys(e.label_noise for e in measured):
        peers = [e for e in measured if e.label_noise == noise]
        reference = next(filter(_is_subject, peers), None) or max(peers, key=lambda e: e.mean)
        yield from ((reference, e) for e in peers if e is not reference)


def _is_subject(entry: Entry) -> bool:
    """True for the method as published: the best of its variants would be chosen on test data."""
    row = entry.cell.row
    return row.method == SUBJECT and not row.modalities and row.changes.keys() <= {LABEL_NOISE}


_COLUMNS = (
    "suite", "column", "reference", "row", "seeds", "difference", "ci_low", "ci_high", "p",
    "p_holm", "significant", "mcnemar_mid_p", "not_tested_because", "published_protocol",
)  # fmt: skip


def _line(table: Table, found: Contrast) -> list[object]:
    tested = not math.isnan(found.p)
    return [
        table.name,
        found.first.column,
        found.first.row,
        found.second.row,
        " ".join(map(str, found.seeds)),
        *map(number, (found.difference, found.low, found.high)),
        *map(p_value, (found.p, found.adjusted)),
        found.significant if tested else "",
        " ".join(map(p_value, found.mcnemar)),
        found.reason,
        found.first.published_protocol or found.second.published_protocol,
    ]
