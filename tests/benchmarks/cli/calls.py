"""Calls of the command line within the tests."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import main


def fails(capsys: pytest.CaptureFixture, *words: str) -> str:
    """What a call that must exit with 2 writes to stderr."""
    assert main(list(words)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "Traceback" not in error
    return error
