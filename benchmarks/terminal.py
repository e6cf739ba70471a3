"""The terminal: how wide it is, and texts, lists and tables that fit it.

Colours and tables are those of rich. Without rich, as before the installation, and where the output
is not a terminal, texts stay plain. rich takes 40 ms to import, so only functions import it.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

USUAL = 80  # columns where there is no terminal, and COLUMNS is not set
NARROWEST = 60
LONGEST_NAME = 36  # of a list, whose texts are to have room beside it
WIDEST_TEXT = 100  # longer lines of prose are hard to read

VERDICTS = {
    r"^(= |reproduced)": "green",
    r"^(≠ |differs)": "red",
    r"^(\? |inconclusive)": "yellow",
}
"""What marks a verdict, and its colour; see `grid`."""


def columns() -> int:
    """The columns of the terminal or of the variable COLUMNS, and USUAL without either."""
    return max(NARROWEST, shutil.get_terminal_size((USUAL, 24)).columns)


def wrapped(text: str, indent: str = "", further: str | None = None) -> str:
    """The text in lines that fit; `further` is the indent of all lines but the first."""
    return fill(
        text,
        min(columns(), WIDEST_TEXT),
        initial_indent=indent,
        subsequent_indent=indent if further is None else further,
        break_long_words=False,
        break_on_hyphens=False,
    )


def fitted(text: str) -> str:
    """The text with its long lines wrapped, each below its own beginning; coloured lines stay."""
    lines = []
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        fits = len(line) <= columns() or "\x1b" in line
        lines.append(line if fits else wrapped(line.strip(), indent, f"{indent}  "))
    return "\n".join(lines)


def definitions(entries: Mapping[str, str], indent: str = "  ", width: int = 0) -> list[str]:
    """A name and its text per entry, all texts in one column of at least `width`; long ones wrap.

    A name that is longer than LONGEST_NAME has a line of its own.
    """
    width = max([width, *(len(name) + 2 for name in entries if len(name) <= LONGEST_NAME)])
    lines = []
    for name, text in entries.items():
        start = f"{indent}{name:<{width}}"
        if len(name) + 2 > width or not text:
            lines.append(indent + name)
            start = indent + " " * width
        lines += wrapped(text, start, " " * len(start)).splitlines() if text else []
    return lines


def styled(text: str, styles: Mapping[str, str]) -> str:
    """The text with rich's style for what each regular expression finds, on a terminal that has
    colours; else the text as it is."""
    if not _coloured():
        return text
    from rich.text import Text

    shown = Text(text)
    for pattern, style in styles.items():
        shown.highlight_regex(re.compile(pattern, re.MULTILINE), style)
    return _printed(_console(len(text) + 1), shown)


def bold(text: str) -> str:
    """The text as a heading."""
    return styled(text, {".+": "bold"})


def loud(text: str) -> str:
    """The text as a warning."""
    return styled(text, {".+": "bold red"})


HEADINGS = {r"^\S.*:$": "bold", r"^usage:": "bold"}
HELP = {
    **HEADINGS,
    r"^  [a-z][\w-]*(?=  |\n|$)": "cyan",
    r"(?<![\w-])--?[a-z][\w-]*": "cyan",
    r"\./reproduce\.sh( [a-z][\w-]*)?": "green",
}
"""The styles of help texts: headings, verbs, options and commands."""


def grid(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    align: str,
    styles: Mapping[str, str] = VERDICTS,
) -> str:
    """A table as text. `align` has a letter per column: `r` and `l` keep a cell in one line, `w`
    is left-aligned and wraps where the table does not fit. `styles` colours cells by what a regular
    expression finds in them."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for header, letter in zip(headers, align, strict=True):
        side = "right" if letter == "r" else "left"
        table.add_column(
            Text(header),
            justify=side,  # type: ignore[arg-type]
            no_wrap=letter != "w",
            overflow="fold",
        )
    for row in rows:
        cells = [Text(cell) for cell in row]
        for cell in cells:
            for pattern, style in styles.items():
                if re.search(pattern, cell.plain):
                    cell.stylize(style)
        table.add_row(*cells)
    return _printed(_console(columns()), table)


def _printed(console: Console, what: object) -> str:
    with console.capture() as captured:
        console.print(what)
    # Spaces at the end of a line, also those before the end of a colour.
    return "\n".join(re.sub(r" +((\x1b\[\d*m)*)$", r"\1", x) for x in captured.get().splitlines())


def _console(width: int) -> Console:
    from rich.console import Console

    return Console(width=width, highlight=False, color_system="auto" if _coloured() else None)


def _coloured() -> bool:
    """Whether colours help somebody, and rich is there."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty():
        return False
    try:
        import rich  # noqa: F401
    except ImportError:
        return False
    return True
