"""A table in LaTeX (booktabs, graphicx): below each of our numbers its interval and the paper's."""

from __future__ import annotations

import pandas as pd

from benchmarks.report.tables.paper import short_name
from benchmarks.report.tables.table import Table
from benchmarks.report.tables.text import Style, interval, notes, ours, papers, warnings

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "`": r"\textasciigrave{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "≠": r"$\neq$",
    "†": r"$^{\dagger}$",
    "≈": r"$\approx$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}


def escape(text: str) -> str:
    """Plain text that LaTeX prints as it is."""
    return "".join(_SPECIAL.get(character, character) for character in text)


STYLE = Style(
    escape=escape,
    bold=lambda text: rf"\textbf{{{text}}}",
    footnote=lambda number: f"$^{{{number}}}$",
    interval=False,  # in a line of its own
)


def render(table: Table) -> str:
    """A `table*` as wide as the page."""
    caption = " ".join([*warnings(table), table.title + ".", *notes(table)])
    lines = [
        r"% needs \usepackage{booktabs,graphicx}",
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{tab:{table.name}}}",
        r"\resizebox{\textwidth}{!}{%",
        f"{_tabular(table)}}}",
        _footnotes(table),
        r"\end{table*}",
        "",
    ]
    return "\n".join(lines)


def _tabular(table: Table) -> str:
    """The numbers: datasets over their columns with a rule below each, space between the rows."""
    headers, rules, start = [], [], 2
    for dataset in table.datasets:
        columns = table.columns(dataset)
        label = escape(table.config.datasets[dataset].label)
        headers += [(label, escape(short_name(column))) for column in columns]
        rules.append(rf"\cmidrule(lr){{{start}-{start + len(columns) - 1}}}")
        start += len(columns)
    lines: list[list[str]] = []
    for row in table.rows():
        own = _row(table, row)
        if lines:
            own[0][0] = f"\\addlinespace\n{own[0][0]}"
        lines += own
    # LaTeX draws rules and space that begin the first cell of a line above that line.
    columns = pd.MultiIndex.from_tuples([("", " ".join(rules) + "\n"), *headers])
    style = {"column_format": "l" + "r" * len(headers), "multicolumn_format": "c"}
    frame = pd.DataFrame(lines, columns=columns)
    return frame.to_latex(index=False, escape=False, **style).rstrip()


def _row(table: Table, row: str) -> list[list[str]]:
    """The lines of a row: ours, the intervals if there are any, the paper's."""
    columns = [column for dataset in table.datasets for column in table.columns(dataset)]
    bounds = [interval(table, row, column) for column in columns]
    beside = [papers(table, row, column, STYLE) for column in columns]
    lines = [
        [escape(row), *(ours(table, row, column, STYLE) for column in columns)],
        [r"\quad 95\,\% interval", *map(escape, bounds)] if any(bounds) else [],
        [r"\quad paper", *beside] if table.printed else [],
    ]
    return [line for line in lines if line]


def _footnotes(table: Table) -> str:
    lines = [f"$^{{{n}}}$ {escape(reason)}" for reason, n in table.footnotes.items()]
    return r"\par\footnotesize " + r" \quad ".join(lines) if lines else "%"
