"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from datasets.errors import counted


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (7442, "7442 runs")]
)
def test_one_is_singular_and_everything_else_plural(count: int, said: str) -> None:
    assert counted(count, "run") == said
