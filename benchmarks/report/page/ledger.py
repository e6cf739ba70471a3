"""The ledgers of docs/spec-ledger.md: what the papers leave open, and what is done here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup


@dataclass(frozen=True)
class Ledger:
    """A Markdown table under its heading; cells are safe HTML."""

    title: str
    header: tuple[Markup, ...]
    rows: tuple[tuple[Markup, ...], ...]


def read_ledgers(path: Path) -> list[Ledger]:
    """The tables in the sections of `path` with "ledger" in their heading; none without a file.

    HTML and links in the document are shown as text: the page runs and loads nothing from it.
    """
    if not path.is_file():
        return []
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.disable(["link", "image", "autolink", "reference"])
    tokens = markdown.parse(path.read_text(encoding="utf-8"))
    found, title, inside = [], "", False
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            title = tokens[index + 1].content
            if token.tag in ("h1", "h2"):
                inside = "ledger" in title.lower()
        elif token.type == "table_open" and inside:
            header, *rows = _rows(markdown, tokens[index:])
            found.append(Ledger(title, header, tuple(rows)))
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
            text = markdown.renderer.render([token], markdown.options, {})
            rows[-1].append(Markup(text))
    return [tuple(row) for row in rows]
