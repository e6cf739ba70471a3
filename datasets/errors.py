"""The one error of this package, and the text for a mistyped word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """Raw or prepared data is missing or wrong.

    The text names what is wrong, what was found and what would be right.
    """


def unknown(kind: str, word: object, options: Iterable[str]) -> DataError:
    """The error for `word`, which is not among the `options` of this `kind`."""
    listed = sorted(options)
    near = difflib.get_close_matches(str(word), listed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return DataError(f"unknown {kind} {word!r}; {hint}known: {', '.join(listed)}")


def counted(count: int, noun: str) -> str:
    """`1 run`, `2 runs`; for nouns with a plural in s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
