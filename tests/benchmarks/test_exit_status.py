"""One table of exit statuses: every way to end has its own number, in the help and the document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.cli.verbs import verbs
from benchmarks.exit_status import EXIT_STATUSES, Exit, worst

DOCUMENT = Path(__file__).parents[2] / "docs" / "command-line.md"


def test_every_way_to_end_has_a_number_of_its_own() -> None:
    assert len({int(each) for each in Exit}) == len(Exit.__members__)
    assert (Exit.FINE, Exit.DIFFERS, Exit.BAD_INPUT, Exit.UNDECIDED) == (0, 1, 2, 3)
    assert Exit.UNFINISHED == 75


def test_the_text_and_the_document_hold_the_table() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    for each in Exit:
        assert f"{each}  {each.meaning}" in EXIT_STATUSES
        assert f"| {each} | {each.meaning} |" in document


def test_the_document_says_what_every_verb_returns() -> None:
    rows = re.findall(r"^\| (`.+?) \| ", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    tables = {name for name, verb in verbs().items() if verb.function.endswith("train:table")}
    assert named >= set(verbs()) - tables


@pytest.mark.parametrize(
    ("several", "one"),
    [
        ([], Exit.FINE),
        ([Exit.FINE, Exit.UNDECIDED], Exit.UNDECIDED),
        ([Exit.UNDECIDED, Exit.DIFFERS], Exit.DIFFERS),
        ([Exit.DIFFERS, Exit.UNFINISHED], Exit.UNFINISHED),
    ],
)
def test_the_worst_part_decides(several: list[Exit], one: Exit) -> None:
    assert worst(several) == one


def test_a_typo_and_an_open_comparison_end_differently(tmp_path: Path, capsys) -> None:
    words = ["compare", "--profile", "paper", "--out", str(tmp_path)]
    assert main(words) == Exit.UNDECIDED
    assert main(["compare", "--profile", "papier"]) == Exit.BAD_INPUT
