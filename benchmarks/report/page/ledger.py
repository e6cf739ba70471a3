"""The ledgers of REPRODUCE.md: what the papers leave open, and what is done here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup, escape

_TABLE_RULE = re.compile(r"^\|[\s:|-]+\|$")
_CELL_END = re.compile(r"(?<!\\)\|")
_MARKED = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*")


@dataclass(frozen=True)
class Ledger:
    """A Markdown table under its heading; cells are safe HTML."""

    title: str
    header: tuple[Markup, ...]
    rows: tuple[tuple[Markup, ...], ...]


def read_ledgers(path: Path) -> list[Ledger]:
    """The tables in the sections of `path` whose headings speak of a ledger; none without it."""
    if not path.is_file():
        return []
    found, title, inside = [], "", False
    blocks = re.split(r"\n\s*\n", path.read_text(encoding="utf-8"))
    for block in blocks:
        if heading := re.match(r"(#+) (.+)", block):
            inside = "ledger" in heading[2].lower() if len(heading[1]) < 3 else inside
            title = heading[2]
        lines = [line.strip() for line in block.splitlines()]
        if inside and len(lines) > 2 and _TABLE_RULE.match(lines[1]):
            header, _, *rows = map(_cells, lines)
            found.append(Ledger(title, header, tuple(rows)))
    return found


def _cells(line: str) -> tuple[Markup, ...]:
    return tuple(_html(text.strip().replace("\\|", "|")) for text in _CELL_END.split(line)[1:-1])


def _html(text: str) -> Markup:
    """Code, bold and emphasis as elements; everything else as it stands."""
    parts, end = [], 0
    for match in _MARKED.finditer(text):
        name = ("code", "strong", "em")[match.lastindex - 1]
        inner = match[match.lastindex]
        parts += [escape(text[end : match.start()]), Markup(f"<{name}>{{}}</{name}>").format(inner)]
        end = match.end()
    return Markup("").join([*parts, escape(text[end:])])
