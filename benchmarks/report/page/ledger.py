"""The ledgers of docs/spec-ledger.md: what the papers leave open, and what is done here."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup


@dataclass(frozen=True)
class Ledger:
    """A Markdown table under its heading; cells and notes are safe HTML.

    `notes` are the paragraphs between the table and the next heading. `uneven` are the lines of
    the document whose row has another number of cells than the header: Markdown drops or fills
    cells there.
    """

    title: str
    header: tuple[Markup, ...]
    rows: tuple[tuple[Markup, ...], ...]
    notes: tuple[Markup, ...] = ()
    uneven: tuple[int, ...] = ()


def read_ledgers(path: Path) -> list[Ledger]:
    """The tables in the sections of `path` with "ledger" in their heading; none without a file.

    HTML and links in the document are shown as text: the page runs and loads nothing from it.
    """
    if not path.is_file():
        return []
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.disable(["link", "image", "autolink", "reference"])
    text = path.read_text(encoding="utf-8")
    tokens, lines = markdown.parse(text), text.splitlines()
    found: list[Ledger] = []
    title, inside, below = "", False, False
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            title, below = tokens[index + 1].content, False
            if token.tag in ("h1", "h2"):
                inside = "ledger" in title.lower()
        elif token.type == "table_open" and inside:
            header, *rows = _rows(markdown, tokens[index:])
            uneven = _uneven(lines, token, len(header))
            found.append(Ledger(title, header, tuple(rows), uneven=uneven))
            below = True
        elif token.type == "paragraph_open" and below:
            note = _html(markdown, tokens[index + 1])
            found[-1] = replace(found[-1], notes=(*found[-1].notes, note))
    return found


def _rows(markdown: MarkdownIt, tokens: list[Token]) -> list[tuple[Markup, ...]]:
    """The rows of the table that begins with `tokens`; the first is its header."""
    rows: list[list[Markup]] = []
    for token in tokens:
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_html(markdown, token))
    return [tuple(row) for row in rows]


def _html(markdown: MarkdownIt, inline: Token) -> Markup:
    return Markup(markdown.renderer.render([inline], markdown.options, {}))


def _uneven(lines: list[str], table: Token, columns: int) -> tuple[int, ...]:
    """The numbers of the table's lines, from 1, that have another number of cells."""
    first, last = table.map or (0, 0)
    cells = {
        number: re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
        for number, line in enumerate(lines[first:last], first + 1)
    }
    return tuple(number for number, found in cells.items() if len(found) != columns)
