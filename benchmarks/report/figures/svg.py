"""SVG for a page: small, and harmless to its neighbours."""

from __future__ import annotations

import re
from html import escape

_PATH = re.compile(r' d="([^"]*)"')
_STEP = re.compile(r"([MLCQz])([^MLCQz]*)")


def compact(svg: str, title: str) -> str:
    """The `<svg>` element alone, with coordinates to a tenth of a point.

    Names of groups and the global style sheet are removed, as they would clash or spread in a
    page; a title is added for readers who cannot see the figure.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*</defs>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r">\s+<", "><", _PATH.sub(lambda m: f' d="{_relative(m[1])}"', svg))
    svg = re.sub(r' (x|y)="(-?\d+\.\d)\d+"', r' \1="\2"', svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg)
    svg = svg.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    head, body = svg.split(">", 1)
    attributes = ' role="img" stroke-linejoin="round" stroke-linecap="butt"'
    return f"{head}{attributes}><title>{escape(title)}</title>{body}"


def _relative(path: str) -> str:
    """Lines as steps of tenths from the point before; paths with curves stay as they are."""
    steps = _STEP.findall(path)
    if any(kind in "CQ" for kind, _ in steps):
        return " ".join(path.split())
    words, here, before = [], (0, 0), ""
    for kind, numbers in steps:
        if kind == "z":
            words.append("z")
        else:
            x, y = (round(10 * float(number)) for number in numbers.split())
            start = kind == "M"
            word = f"{_tenths(x)} {_tenths(y)}" if start else _step(x - here[0], y - here[1])
            words.append((kind if start else "l" if before != "L" else " ") + word)
            here = (x, y)
        before = kind
    return "".join(words)


def _step(x: int, y: int) -> str:
    return f"{_tenths(x)}{'' if y < 0 else ' '}{_tenths(y)}"


def _tenths(number: int) -> str:
    """`-.3` for -3."""
    return f"{number / 10:g}".replace("0.", ".", 1) if abs(number) < 10 else f"{number / 10:g}"
