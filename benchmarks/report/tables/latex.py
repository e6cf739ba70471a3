"""A table in LaTeX (booktabs, graphicx): below each of our numbers its interval and the paper's."""

from __future__ import annotations

from benchmarks.report.tables.caption import notes, warnings
from benchmarks.report.tables.cell_text import Style, interval, ours, papers
from benchmarks.report.tables.paper import short_name
from benchmarks.report.tables.table import Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "`": r"\textasciigrave{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "≈": r"$\approx$",
    "≠": r"$\neq$",
    "†": r"$^{\dagger}$",
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
    body = "\n\\addlinespace\n".join(_row(table, row) for row in table.rows())
    width = sum(len(table.columns(d)) for d in table.datasets)
    caption = " ".join([*warnings(table), table.title + ".", *notes(table)])
    lines = [
        r"% needs \usepackage{booktabs,graphicx}",
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{tab:{table.name}}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * width}}}",
        r"\toprule",
        _head(table),
        r"\midrule",
        body,
        r"\bottomrule",
        r"\end{tabular}}",
        _footnotes(table),
        r"\end{table*}",
        "",
    ]
    return "\n".join(lines)


def _head(table: Table) -> str:
    """Two lines: the datasets over their columns, the metrics below a rule each."""
    groups, rules, names, start = [], [], [], 2
    for dataset in table.datasets:
        columns = table.columns(dataset)
        end = start + len(columns) - 1
        label = escape(table.config.datasets[dataset].label)
        groups.append(rf"\multicolumn{{{len(columns)}}}{{c}}{{{label}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{end}}}")
        names += [escape(short_name(column)) for column in columns]
        start = end + 1
    first, second = " & ".join(["", *groups]), " & ".join(["", *names])
    return f"{first} \\\\\n{' '.join(rules)}\n{second} \\\\"


def _row(table: Table, row: str) -> str:
    columns = [column for dataset in table.datasets for column in table.columns(dataset)]
    bounds = [interval(table, row, column) for column in columns]
    lines = [
        [escape(row), *(ours(table, row, column, STYLE) for column in columns)],
        [r"\quad 95\,\% interval", *map(escape, bounds)] if any(bounds) else [],
        [r"\quad paper", *(papers(table, row, column, STYLE) for column in columns)],
    ]
    return "\n".join(f"{' & '.join(line)} \\\\" for line in lines if line)


def _footnotes(table: Table) -> str:
    lines = [f"$^{{{n}}}$ {escape(reason)}" for reason, n in table.footnotes.items()]
    return r"\par\footnotesize " + r" \quad ".join(lines) if lines else "%"
