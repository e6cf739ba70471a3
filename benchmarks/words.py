"""Words that are not known, with the nearest one that is; numbers with their nouns."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from datasets.words import counted
from msam.parameters import nearest

__all__ = ["counted", "unknown_words"]


def unknown_words(kind: str, words: Iterable[str], known: Collection[str]) -> list[str]:
    """One sentence for every word that is not known, with the nearest one that is."""
    return [
        f"no {kind} '{word}'{nearest(word, known)}; known: {', '.join(known)}"
        for word in words
        if word not in known
    ]
