"""The marked parts of the documents, and the command that writes them anew.

    PYTHONPATH=. .venv/bin/python -m benchmarks.report.documents.blocks

rewrites every such part of README.md, REPRODUCE.md and docs/*.md, and names the changed files.
Run it after `report` has written new tables, and after a change of a config. A part stands between
a marker and `<!-- end -->`:

- `<!-- results/FILE -->` repeats that file, `<!-- results/FILE#Title -->` its first table below
  that heading;
- `<!-- generated: NAME WORDS -->` is what GENERATED makes.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.configs.load import lookup
from benchmarks.records.files import write_text
from benchmarks.report.documents.parts import GENERATED

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"(<!-- (results/|generated: )(.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
MARKER = re.compile(r"^<!-- (?:results/|generated: )", re.MULTILINE)


def documents(root: Path = ROOT) -> list[Path]:
    """The files that may have such parts."""
    return [*sorted(root.glob("*.md")), *sorted(root.glob("docs/*.md"))]


def refreshed(text: str, root: Path = ROOT) -> str:
    """The text of a document with every marked part as it is today.

    ValueError for a marker without an end, an unknown name, and a file or heading that is missing.
    """
    if len(BLOCK.findall(text)) != len(MARKER.findall(text)):
        raise ValueError("a marked part does not end, or begins in another")

    def anew(match: re.Match[str]) -> str:
        marker, kind, what, _, end = match.groups()
        made = _quoted(what, root) if kind == "results/" else _generated(what.split(), root)
        return f"{marker}\n{made}\n{end}"

    return BLOCK.sub(anew, text)


def _generated(words: Sequence[str], root: Path) -> str:
    name, *rest = words
    function = lookup("generated part", name, GENERATED)
    wanted = [*inspect.signature(function).parameters][1:]
    if len(rest) != len(wanted):
        raise ValueError(f"'{' '.join(words)}': after {name} come {len(wanted)} words, {wanted}")
    return f"{function(root / 'results', *rest)}\n"


def _quoted(what: str, root: Path) -> str:
    name, _, title = what.partition("#")
    path = root / "results" / name
    if not path.is_file():
        raise ValueError(f"results/{name} is quoted, but there is no such file")
    text = path.read_text(encoding="utf-8")
    if not title:
        return text
    below = text.partition(f"\n## {title}\n")[2]
    if found := re.search(r"(?:^\|.*\n)+", below, re.MULTILINE):
        return found[0]
    raise ValueError(f"results/{name} has no table below '{title}'")


def main() -> int:
    """Writes every document anew; exit status 0. ValueError names the document that it is in."""
    for path in documents():
        text = path.read_text(encoding="utf-8")
        try:
            new = refreshed(text)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        if new != text:
            write_text(path, new)
            sys.stdout.write(f"written: {path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
