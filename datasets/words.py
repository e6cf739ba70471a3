"""Numbers with their nouns."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 run`, `2 runs`; for nouns whose plural ends in s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
