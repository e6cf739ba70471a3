"""Ways to damage a file: by bytes, or by values where a file is a tree of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

KINDS = ("flip", "overwrite", "insert", "remove", "repeat", "cut")
TOKENS = (
    *(b"\x00", b"\xff", b"\x80\x00\x00\x00", b"\x7f\xff\xff\xff", b"\xff" * 8, b"\x00" * 64),
    *(b"-1", b"0", b"1e999", b"nan", b"9" * 5000, b"99999999999999", b"0.5", b"None", b"null"),
    *(b"'", b'"', b"\n", b"\r", b",", b"&", b": ", b"- ", b"{", b"]", b"!!int ", b"!!bool x"),
    *(b"[" * 2000, b"{a: " * 400, b"&a [*a]", b"<<: *a\n", b"? [x]\n: y\n", b"\xef\xbb\xbf"),
    *(b"2001-99-99", b"../../x", b"/etc/passwd", "é".encode("latin1"), "\u2028".encode()),
)
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 7, 10**25, 0.5, 1e308, -0.5, "", "x", "../../x", "nan", "é", "0"),
    *([], {}, [[]], [None], ["x", "x"], {"x": None}, {"value": 1}, [1, 2, 3], {"1": {"2": []}}),
)


class Edit(NamedTuple):
    """`kind` is one of KINDS, `place` and `size` lie in [0, 1], `material` counts through lists."""

    kind: str
    place: float
    size: float
    material: int


def random_edits(random: Random) -> list[Edit]:
    """One to four edits."""
    return [
        Edit(random.choice(KINDS), random.random(), random.random() ** 4, random.randrange(10**6))
        for _ in range(random.randint(1, 4))
    ]


def damaged_bytes(content: bytes, edits: Sequence[Edit]) -> bytes:
    """The content with the edits, in order."""
    for kind, place, size, material in edits:
        start = int(place * len(content))
        stop = start + 1 + int(size * (len(content) - start))
        middle, token = content[start:stop], TOKENS[material % len(TOKENS)]
        instead = {
            "flip": bytes([middle[0] ^ (1 << material % 8)]) + middle[1:] if middle else b"",
            "overwrite": token,
            "insert": token + middle,
            "remove": b"",
            "repeat": middle * (2 + material % 3),
            "cut": b"",
        }[kind]
        rest = content[start + len(token) :] if kind == "overwrite" else content[stop:]
        content = content[:start] + instead + (b"" if kind == "cut" else rest)
    return content[: 1 << 22]


def damaged_tree(tree: Any, edits: Sequence[Edit]) -> Any:
    """A copy of nested dicts and lists with values replaced, removed or added."""
    tree = [copy.deepcopy(tree)]
    for kind, place, _, material in edits:
        places = list(_places(tree))
        holder, key = places[int(place * (len(places) - 1))]
        value = copy.deepcopy(VALUES[material % len(VALUES)])
        if kind in ("remove", "cut") and holder is not tree:
            del holder[key]
        elif kind == "insert" and isinstance(holder, dict):
            holder[str(value)[:8]] = holder.get(key)
        elif kind == "repeat" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[key] = value
    return tree[0]


def _places(node: Any) -> Any:
    """Every (holder, key) below `node`."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(pairs):
        yield node, key
        if isinstance(value, dict | list):
            yield from _places(value)
