"""Reads the code of the documents about the library."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "library.md"


def recipes(document: Path = DOCUMENT) -> dict[str, str]:
    """The Python code of each section that has some: {heading: code}."""
    found = {}
    text = document.read_text(encoding="utf-8")
    for section in re.split(r"^#+ ", text, flags=re.MULTILINE):
        blocks = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        if blocks:
            found[section.splitlines()[0]] = "\n".join(blocks)
    return found
