"""How a command ends: one number for each way, the same for every verb."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit statuses of the command line; `meaning` says each in words."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> Exit:
        member = int.__new__(cls, number)
        member._value_ = number
        member.meaning = meaning
        return member

    FINE = 0, "everything was done, and nothing differs"
    DIFFERS = 1, "something differs from the paper, or failed, or stands in the way"
    BAD_INPUT = 2, "bad input: a word is wrong, or a file cannot be read or written"
    UNDECIDED = 3, "no verdict yet: cells lack runs, data or a number to compare with"
    UNFINISHED = 75, "work is left; the same command resumes it (EX_TEMPFAIL, for batch jobs)"
    INTERRUPTED = 130, "interrupted outside of training; the same command resumes it"
    ENDED = 143, "the system ended the command; the same command resumes it"


def worst(statuses: list[Exit]) -> Exit:
    """The status of several parts: unfinished, then differs, then undecided, then fine."""
    order = (Exit.UNFINISHED, Exit.DIFFERS, Exit.UNDECIDED)
    return next((status for status in order if status in statuses), Exit.FINE)


EXIT_STATUSES = "\n".join(["exit status", *(f"  {each:>3}  {each.meaning}" for each in Exit)])
"""The table of them as text, for the help."""
