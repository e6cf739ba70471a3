"""Today's answers to the questions about the paper, from the committed results alone.

Where the results cannot decide a question, its answer is `unknown`, and the sentence says why.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report.documents.evidence import (
    SMALL,
    TABLES,
    Line,
    best_tests,
    config,
    read_lines,
    with_interval,
)
from benchmarks.report.rules.cell import DIFFERS, INCONCLUSIVE, LEVEL, MARGIN, REPRODUCED
from benchmarks.report.statistics import holm
from benchmarks.report.tables.contrast import SUBJECT
from benchmarks.report.tables.paper import FOLDER, load_paper
from datasets.errors import counted

UNKNOWN, UNDECIDED, YES, NO = "unknown", "undecided", "yes", "no"
EQUIVALENT = "equivalent"

WHOLE_TEST_SETS = {
    "avmnist": {10_000},
    "cremad": {744},
    "urfunny": {3_290, 1_058},
    "ave": {402, 4_020},
}
"""Sizes of the published test sets: UR-Funny has two releases, AVE counts clips or seconds."""

ALONE_AND_FUSED = ("audio_alone", "visual_alone", "joint_fused")
AGREES, DISAGREES = 5.0, 10.0  # points between a rebuilt AV-MNIST and the paper's accuracies


@dataclass(frozen=True)
class Question:
    """A question, and the statement that it asks about."""

    text: str
    statement: str


REPRODUCES = Question("Do Tables 1 and 2 reproduce?", "Tables 1 and 2 reproduce")
AWARE = Question(
    "Is Algorithm 1 as printed modality-aware?", "Algorithm 1 as printed is modality-aware"
)
BETTER = Question("Is M-SAM better than SAM?", "M-SAM is better than SAM")
HELPS = Question("Does a method beat Joint-Train?", "a method beats Joint-Train")
PAIRED = Question(
    "Are sound and image paired in the public AV-MNIST?",
    "sound and image of the public AV-MNIST are paired",
)
FIT = Question(
    "Do the printed digits fit the test sets?", "the printed digits fit the published test sets"
)


@dataclass(frozen=True)
class Answer:
    """`word` answers the question, `detail` says why; `evidence` is a path from the root.

    `small`: the answer rests on small networks alone, and says nothing of the paper's.
    """

    question: Question
    word: str
    detail: str
    evidence: str
    small: bool = False


def answers(results: Path) -> list[Answer]:
    """Every question with its answer from the results in this folder."""
    return [
        tables_reproduce(results),
        is_modality_aware(),
        better_than_sam(results),
        beats_joint_train(results),
        is_paired(results),
        digits_fit(results),
    ]


def tables_reproduce(results: Path) -> Answer:
    """`no` as soon as one cell differs after Holm's correction, `yes` if every cell reproduces."""
    lines = [
        line
        for line in read_lines(results / "paper" / "tables" / "comparison.csv")
        if line["suite"] in TABLES and line["paper"]
    ]
    verdicts = Counter(line["verdict"] for line in lines)
    printed = sum(len(load_paper(suite)) for suite in TABLES)
    compared = sum(verdicts[each] for each in (REPRODUCED, DIFFERS, INCONCLUSIVE))
    told = (
        f"Of {printed} printed numbers {verdicts[REPRODUCED]} are reproduced, {verdicts[DIFFERS]} "
        f"differ, {verdicts[INCONCLUSIVE]} are inconclusive, {printed - compared} not compared."
    )
    if not compared:
        word = UNKNOWN
        told = f"None of the {printed} printed numbers is compared: no run has the profile `paper`"
        told += "." if not lines else ", or records are missing."
    elif any(line["differs_after_holm"] == "True" for line in lines):
        word = NO
    elif verdicts[REPRODUCED] == printed:
        word = YES
    else:
        word = "partly" if verdicts[REPRODUCED] else UNDECIDED
    return Answer(REPRODUCES, word, told, "REPRODUCE.md#results")


def is_modality_aware() -> Answer:
    """Algebra: no result can change it. `tests/msam/test_msam.py` holds the code to it."""
    return Answer(
        AWARE,
        NO,
        "By algebra, a step mixes SAM's gradient with SGD's, weighted by the largest contribution. "
        "Which modality that belongs to has no effect.",
        "REPRODUCE.md#what-the-printed-algorithm-amounts-to",
    )


def better_than_sam(results: Path) -> Answer:
    """By the paired tests of fused accuracy of the best evidence that is there.

    `equivalent`: no difference is significant, and every test of equivalence within MARGIN
    succeeds.
    """
    profile, lines = best_tests(results, SUBJECT)
    lines = [line for line in lines if line["row"] == config().methods["sam"].label]
    tested = [line for line in lines if line["p"]]
    if not tested:
        return _untested(BETTER, profile, lines)
    found = [float(line["difference"]) > 0 for line in tested if line["significant"] == "True"]
    better, worse = found.count(True), found.count(False)
    if worse:
        word = "mixed" if better else NO
    elif better:
        word = YES if better == len(lines) else "partly"
    else:
        same = all(line["equivalent"] == "True" for line in lines)
        word = EQUIVALENT if same else UNDECIDED
    told = "; ".join(f"{_place(line)} {with_interval(line)}" for line in tested)
    told = f"M-SAM minus SAM in points, profile `{profile}`: {told}."
    if word == EQUIVALENT:
        told += f" Differences of {MARGIN:g} point or more are excluded at 5 %."
    return _tested(BETTER, word, told, profile)


def beats_joint_train(results: Path) -> Answer:
    """`yes` if some row is significantly above Joint-Train after Holm's correction over all tests.

    `not by 1 point` if every row is significantly below, or equivalent within MARGIN.
    """
    profile, lines = best_tests(results, "joint_train")
    tested = [line for line in lines if line["p"]]
    if not tested:
        return _untested(HELPS, profile, lines)
    adjusted = holm([float(line["p"]) for line in tested])
    sure = [line for line, p in zip(tested, adjusted, strict=True) if p < LEVEL]
    above = [line for line in sure if float(line["difference"]) < 0]
    ends = [line["equivalent"] == "True" or (line in sure and line not in above) for line in lines]
    word = YES if above else f"not by {MARGIN:g} point" if all(ends) else UNDECIDED
    told = [_against_joint_train(place, lines, sure) for place in dict.fromkeys(map(_place, lines))]
    return _tested(HELPS, word, f"Profile `{profile}`. {' '.join(told)}", profile)


def _against_joint_train(place: str, lines: Sequence[Line], sure: Sequence[Line]) -> str:
    """The rows of one table by their outcome, in one sentence."""
    here = [line for line in lines if _place(line) == place]
    tested = [line for line in here if line["p"]]
    alike = sum(line not in sure for line in tested)
    groups = {
        "above": [
            f"{line['row']} {with_interval(line, sign=-1)}"
            for line in tested
            if line in sure and float(line["difference"]) < 0
        ],
        "below": [line["row"] for line in sure if line in here and float(line["difference"]) > 0],
        "no significant difference": [counted(alike, "row")] * bool(alike),
        "not tested": [line["row"] for line in here if line not in tested],
    }
    said = "; ".join(f"{name}: {', '.join(rows)}" for name, rows in groups.items() if rows)
    return f"{place}: {said}."


def _tested(question: Question, word: str, told: str, profile: str) -> Answer:
    evidence = f"results/{profile}/tables/significance.csv"
    return Answer(question, word, told, evidence, small=profile == SMALL)


def _untested(question: Question, profile: str, lines: Sequence[Line]) -> Answer:
    reasons = sorted({line["not_tested_because"] for line in lines}) or ["no runs"]
    told = f"Profile `{profile}`: not tested ({'; '.join(reasons)})."
    evidence = f"results/{profile}/tables/significance.csv" if lines else "REPRODUCE.md#results"
    return Answer(question, UNKNOWN, told, evidence)


def _place(line: Line) -> str:
    """`AV-MNIST, late fusion`."""
    dataset = config().datasets[line["column"].partition(":")[0]].label
    return f"{dataset}, {config().suites[line['suite']].fusion} fusion"


def is_paired(results: Path) -> Answer:
    """What the archive holds, where someone has looked; else what rebuilt archives say."""
    folder = results / "forensics"
    archive = folder / "archive.json"
    if archive.exists():
        train = json.loads(archive.read_text(encoding="utf-8"))["answers"]["train"]
        word = YES if train["right_digit"] > 0.95 else NO
        told = f"In the archive, {100 * train['right_digit']:.1f} % of the training rows have a "
        told += "recording of their digit."
        return Answer(PAIRED, word, told, "results/forensics/archive.md")
    *cases, paper = read_lines(folder / "forensics.csv") or [{}]  # the last line is the paper's
    if not cases:
        told = "Run `./reproduce.sh forensics`."
        return Answer(PAIRED, UNKNOWN, told, "docs/forensics.md")
    distance = {line["case"]: _farthest(line, paper) for line in cases}
    nearest = min(cases, key=lambda line: distance[line["case"]])
    aligned = [distance[line["case"]] for line in cases if line["in_place"] == "100.00"]
    paired = min(aligned, default=math.inf)
    away = distance[nearest["case"]]
    word = UNKNOWN
    if away < AGREES:
        word = "likely" if paired == away else "unlikely" if paired > DISAGREES else UNKNOWN
    told = (
        f"Rebuilt so that {float(nearest['in_place']):.0f} % of the images keep their own "
        f"recording, small networks come within {away:.1f} points of the paper's accuracies; "
        f"with all images paired they miss by {paired:.0f}. An inference: the archive itself was "
        "not available."
    )
    return Answer(PAIRED, word, told, "docs/forensics.md")


def _farthest(line: Line, paper: Line) -> float:
    return max(abs(float(line[name]) - float(paper[name])) for name in ALONE_AND_FUSED)


def digits_fit(results: Path) -> Answer:
    """`not for` the datasets whose digits fit a size, beyond chance, that is not the test set's."""
    lines = read_lines(results / FOLDER.name / "sizes.csv")
    found = {line["dataset"]: line for line in reversed(lines) if float(line["corrected"]) < LEVEL}
    told = [_fit(dataset, line, lines) for dataset, line in found.items()]
    other = [d for d, line in found.items() if int(line["samples"]) not in WHOLE_TEST_SETS[d]]
    labels = ", ".join(config().datasets[name].label for name in other)
    word = f"not for {labels}" if other else YES if found else UNKNOWN
    told.append("No size stands out for the other datasets." if found else "No size stands out.")
    return Answer(FIT, word, " ".join(told), f"results/{FOLDER.name}/sizes.md")


def _fit(dataset: str, best: Line, lines: Sequence[Line]) -> str:
    """What a dataset's digits fit, and how many of them the published test set would explain."""
    whole = [
        f"Out of all {line['samples']} samples it is {line['hits']} of {line['numbers']}."
        for line in lines
        if line["dataset"] == dataset and int(line["samples"]) in WHOLE_TEST_SETS[dataset]
    ]
    known = f", the {best['known'].removeprefix('the ')}" if best["known"] else ""
    parts = [
        f"{config().datasets[dataset].label}: {best['hits']} of {best['numbers']} printed "
        f"numbers are whole counts out of {best['samples']} samples{known}; chance gives "
        f"{float(best['expected']):.1f} (corrected p = {best['corrected']}).",
        *whole,
    ]
    return " ".join(parts)
