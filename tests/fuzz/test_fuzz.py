"""A few damaged files for every reader; `python -m tests.fuzz.many` tries thousands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz.damage import KINDS, Edit
from tests.fuzz.many import damaged
from tests.fuzz.targets import targets
from tests.fuzz.verdict import Target, complaint

PART = st.floats(0, 1, allow_nan=False)
EDITS = st.lists(
    st.builds(Edit, st.sampled_from(KINDS), PART, PART, st.integers(0, 10**6)),
    min_size=1,
    max_size=4,
)
TARGETS = {target.name: target for target in targets()}


@pytest.mark.parametrize("name", TARGETS)
def test_an_intact_file_is_read(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    (tmp_path / target.file).write_bytes(target.content)
    target.read(tmp_path / target.file)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=12)
@given(edits=EDITS)
@example(edits=[Edit("cut", 0.0, 0.0, 0)])
def test_a_damaged_file_gives_a_value_or_one_error_that_names_it(
    name: str, edits: list[Edit], tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = TARGETS[name]
    folder = tmp_path_factory.getbasetemp() / target.file
    folder.mkdir(exist_ok=True)
    assert not complaint(target, damaged(target, edits), folder)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("x.txt"), "KeyError"),
        (ValueError("no number"), "does not say which file"),
        (UnicodeDecodeError("utf-8", b"x.txt", 0, 1, "x.txt"), "does not say which file"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_other_errors_are_noticed(error: Exception, said: str, tmp_path: Path) -> None:
    def read(path: Path) -> None:
        raise error

    assert said in complaint(Target("x", "x.txt", b"", read), b"", tmp_path)


def test_an_endless_reader_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path) -> None:
        while True:
            pass

    monkeypatch.setattr("tests.fuzz.verdict.HANG_SECONDS", 0.05)
    assert "Hang" in complaint(Target("x", "x.txt", b"", read), b"", tmp_path)
