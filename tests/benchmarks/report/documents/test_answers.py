"""The answers follow from the results in the folder that is given, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks.records.files import csv_text, write_json, write_text
from benchmarks.report.documents.answers import (
    FIT,
    answers,
    beats_joint_train,
    better_than_sam,
    digits_fit,
    is_paired,
    tables_reproduce,
)
from benchmarks.report.documents.evidence import TABLES, read_lines
from benchmarks.report.tables.paper import load_paper
from tests.committed import RESULTS, ROOT


def write_lines(path: Path, lines: Sequence[Mapping[str, object]]) -> None:
    write_text(path, csv_text([list(lines[0]), *(list(line.values()) for line in lines)]))


def compared(results: Path, verdicts: Mapping[str, int], after_holm: bool = False) -> None:
    """A comparison of the paper's profile with so many cells of each verdict."""
    lines = [
        {"suite": "table1", "paper": 50.0, "verdict": verdict, "differs_after_holm": after_holm}
        for verdict, count in verdicts.items()
        for _ in range(count)
    ]
    write_lines(results / "paper" / "tables" / "comparison.csv", lines)


def test_without_results_only_the_algebra_has_an_answer(tmp_path: Path) -> None:
    assert [a.word for a in answers(tmp_path)] == ["unknown", "no", *["unknown"] * 4]


@pytest.mark.parametrize(
    ("verdicts", "after_holm", "word"),
    [
        ({"not run": 226}, False, "unknown"),
        ({"reproduced": 226}, False, "yes"),
        ({"reproduced": 225, "inconclusive": 1}, False, "partly"),
        ({"reproduced": 225, "not run": 1}, False, "partly"),
        ({"inconclusive": 226}, False, "undecided"),
        ({"inconclusive": 225, "differs": 1}, False, "undecided"),
        ({"reproduced": 225, "differs": 1}, True, "no"),
    ],
    ids=str,
)
def test_the_tables_reproduce_if_every_cell_does(
    tmp_path: Path, verdicts: dict[str, int], after_holm: bool, word: str
) -> None:
    assert sum(len(load_paper(suite)) for suite in TABLES) == 226
    compared(tmp_path, verdicts, after_holm)
    answer = tables_reproduce(tmp_path)
    assert answer.word == word
    if word not in ("yes", "unknown"):
        assert f"{verdicts.get('reproduced', 0)} are reproduced" in answer.detail


def line_of_test(
    suite: str, column: str, reference: str, row: str, difference: float, significant: bool
) -> dict[str, object]:
    """A line of `significance.csv`; `difference` is the reference minus the row, in points."""
    return {
        "suite": suite,
        "column": column,
        "reference": reference,
        "reference_method": "msam" if reference.startswith("M-SAM") else "joint_train",
        "row": row,
        "difference": difference,
        "ci_low": difference - 0.5,
        "ci_high": difference + 0.5,
        "p": 0.001 if significant else 0.6,
        "p_holm": 0.002 if significant else 0.6,
        "significant": significant,
        "equivalent": abs(difference) < 0.5,
        "equivalent_within": abs(difference) + 0.45,
        "not_tested_because": "",
    }


def record_tests(results: Path, profile: str, *tests: tuple[float, bool]) -> None:
    """Paired tests of M-SAM, and of Joint-Train, against SAM: difference in points, and whether it
    is significant."""
    lines = [
        line_of_test(suite, column, reference, "SAM", *test)
        for suite, test in zip(TABLES, tests, strict=True)
        for column in ("avmnist:acc_mm", "avmnist:acc_audio")
        for reference in ("M-SAM", "Joint-Train")
    ]
    write_lines(results / profile / "tables" / "significance.csv", lines)


@pytest.mark.parametrize(
    ("late", "early", "word"),
    [
        ((0.9, True), (0.8, True), "yes"),
        ((0.9, True), (0.1, False), "partly"),
        ((0.1, False), (-0.1, False), "equivalent"),
        ((0.6, False), (-0.1, False), "undecided"),
        ((0.1, False), (-0.9, True), "no"),
        ((0.9, True), (-0.9, True), "mixed"),
    ],
    ids=str,
)
def test_better_than_sam_is_what_the_paired_tests_say(
    tmp_path: Path, late: tuple[float, bool], early: tuple[float, bool], word: str
) -> None:
    record_tests(tmp_path, "pilot", late, early)
    answer = better_than_sam(tmp_path)
    assert answer.word == word
    assert f"late fusion {late[0]:+.2f}" in answer.detail
    assert answer.detail.count("AV-MNIST") == 2, "the fused accuracy alone"
    assert ("of 1 point or more are excluded" in answer.detail) == (word == "equivalent")
    assert answer.small


@pytest.mark.parametrize(
    ("late", "early", "word"),
    [
        ((-0.9, True), (0.8, True), "yes"),
        ((0.9, True), (-0.1, False), "not by 1 point"),
        ((0.1, False), (-0.1, False), "not by 1 point"),
        ((0.9, True), (-0.6, False), "undecided"),
    ],
    ids=str,
)
def test_a_method_beats_joint_train_if_it_is_above_in_a_column(
    tmp_path: Path, late: tuple[float, bool], early: tuple[float, bool], word: str
) -> None:
    record_tests(tmp_path, "pilot", late, early)
    answer = beats_joint_train(tmp_path)
    assert answer.word == word
    assert ("late fusion: above: SAM +0.90 (+0.40 to +1.40)" in answer.detail) == (word == "yes")
    assert ("early fusion: no significant difference: 1 row" in answer.detail) == (not early[1])


def test_a_difference_in_one_of_many_columns_is_corrected_for_all(tmp_path: Path) -> None:
    """p = 0.03 in one of two tables: 0.06 after Holm."""
    record_tests(tmp_path, "pilot", (-0.4, True), (0.1, False))
    path = tmp_path / "pilot" / "tables" / "significance.csv"
    assert beats_joint_train(tmp_path).word == "yes"
    lines = [{**line, "p": "0.03"} if line["p"] == "0.001" else line for line in read_lines(path)]
    write_lines(path, lines)
    assert beats_joint_train(tmp_path).word != "yes"


def test_a_row_that_was_not_tested_forbids_a_conclusion(tmp_path: Path) -> None:
    record_tests(tmp_path, "pilot", (0.1, False), (-0.1, False))
    path = tmp_path / "pilot" / "tables" / "significance.csv"
    first, *others = read_lines(path)
    gone = dict.fromkeys(("p", "p_holm", "significant", "equivalent"), "")
    lines = [first, *others]
    untested = [
        {**line, **gone, "not_tested_because": "no predictions"} if n < 2 else line
        for n, line in enumerate(lines)
    ]
    write_lines(path, untested)
    assert better_than_sam(tmp_path).word == "undecided"
    answer = beats_joint_train(tmp_path)
    assert answer.word == "undecided" and "not tested: SAM" in answer.detail


def test_tests_come_before_runs_of_a_better_profile(tmp_path: Path) -> None:
    record_tests(tmp_path, "pilot", (0.9, True), (0.9, True))
    record_tests(tmp_path, "paper", (0.9, True), (0.9, True))
    path = tmp_path / "paper" / "tables" / "significance.csv"
    write_lines(path, [{**line, "p": "", "p_holm": ""} for line in read_lines(path)])
    assert "`pilot`" in better_than_sam(tmp_path).detail


def test_runs_of_the_papers_schedule_come_before_small_networks(tmp_path: Path) -> None:
    record_tests(tmp_path, "pilot", (0.9, True), (0.9, True))
    record_tests(tmp_path, "paper", (-0.9, True), (-0.9, True))
    answer = better_than_sam(tmp_path)
    assert answer.word == "no"
    assert "`paper`" in answer.detail and "results/paper/" in answer.evidence


def rebuilt(results: Path, **cases: tuple[float, float]) -> None:
    """Cases with the percentage of rows in place and the audio accuracy; the paper has 40 %."""
    names = ("audio_alone", "visual_alone", "joint_fused")
    lines = [
        {"case": case, "in_place": f"{share:.2f}", **dict(zip(names, (audio, 65, 70), strict=True))}
        for case, (share, audio) in cases.items()
    ]
    paper = {"case": "paper", "in_place": "", **dict(zip(names, (40, 65, 70), strict=True))}
    write_lines(results / "forensics" / "forensics.csv", [*lines, paper])


@pytest.mark.parametrize(
    ("aligned", "scrambled", "word"),
    [(95.0, 38.0, "unlikely"), (41.0, 20.0, "likely"), (95.0, 20.0, "unknown")],
)
def test_pairing_is_inferred_from_the_nearest_rebuilt_archive(
    tmp_path: Path, aligned: float, scrambled: float, word: str
) -> None:
    rebuilt(tmp_path, aligned=(100, aligned), scrambled=(35, scrambled))
    answer = is_paired(tmp_path)
    assert answer.word == word
    if word == "unlikely":
        assert "35 % of the images" in answer.detail and "within 2.0 points" in answer.detail
        assert "miss by 55" in answer.detail and "inference" in answer.detail


@pytest.mark.parametrize(("share", "word"), [(0.41, "no"), (1.0, "yes")])
def test_the_archive_itself_decides_about_the_pairing(
    tmp_path: Path, share: float, word: str
) -> None:
    rebuilt(tmp_path, aligned=(100, 41), scrambled=(35, 20))
    content = {"answers": {"train": {"right_digit": share}}}
    write_json(tmp_path / "forensics" / "archive.json", content)
    assert is_paired(tmp_path).word == word


@pytest.mark.parametrize(
    ("samples", "corrected", "word"),
    [(669, 0.013, "not for CREMA-D"), (744, 0.013, "yes"), (669, 0.4, "unknown")],
)
def test_digits_fit_if_the_size_beyond_chance_is_that_of_the_test_set(
    tmp_path: Path, samples: int, corrected: float, word: str
) -> None:
    fit = {"dataset": "cremad", "numbers": 53, "known": "", "hits": 1, "corrected": 1}
    fit |= {"expected": "3.55"}
    best = fit | {"samples": samples, "hits": 15, "corrected": corrected}
    write_lines(tmp_path / "printed" / "sizes.csv", [best, fit | {"samples": 700}])
    answer = digits_fit(tmp_path)
    assert (answer.question, answer.word) == (FIT, word)
    told = f"15 of 53 printed numbers are whole counts out of {samples}" in answer.detail
    assert told == (word != "unknown")


def test_the_committed_answers_have_evidence_that_is_there() -> None:
    for answer in answers(RESULTS):
        assert (ROOT / answer.evidence.partition("#")[0]).is_file(), answer
        assert answer.detail.endswith("."), answer


def test_a_missing_table_has_no_lines(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "none.csv") == []
