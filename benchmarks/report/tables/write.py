"""Writes a table in its formats."""

from __future__ import annotations

from pathlib import Path

from benchmarks.records.files import csv_text, write_text
from benchmarks.report.tables import latex, markdown
from benchmarks.report.tables.paper import MISSING, printed
from benchmarks.report.tables.table import Table


def write_table(table: Table, out: Path) -> list[Path]:
    """Writes `<name>.csv`, `.md` and `.tex` into `out`; returns their paths."""
    contents = {
        "csv": csv_text(wide(table)),
        "md": markdown.render(table, markdown.MARKDOWN),
        "tex": latex.render(table),
    }
    for suffix, content in contents.items():
        write_text(out / f"{table.name}.{suffix}", content)
    return [out / f"{table.name}.{suffix}" for suffix in contents]


def wide(table: Table) -> list[list[str]]:
    """Our means in the shape of `results/printed/<name>.csv`: same rows, columns and names.

    Numbers from stand-in data, or under the published protocol, add a column that names their
    datasets.
    """
    lines = [["row", *table.all_columns]]
    for row in table.all_rows:
        found = [table.at(row, column) for column in table.all_columns]
        lines.append([row, *(printed(e.mean) if e else MISSING for e in found)])
    published = [e for e in table.entries if e.published_protocol]
    for title, marked in (("stand_in", table.stand_in), ("published_protocol", published)):
        if marked:
            lines[0].append(title)
            for line in lines[1:]:
                named = dict.fromkeys(e.cell.dataset for e in marked if e.row == line[0])
                line.append(" ".join(named))
    return lines
