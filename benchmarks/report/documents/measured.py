"""What was measured, for the documents: paired tests, spreads, curvature, other processors."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from benchmarks.configs.load import load_config
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import choose
from benchmarks.report.documents.evidence import (
    SMALL,
    Line,
    fused_tests,
    label,
    read_lines,
    reference_labels,
    row_minus_reference,
)
from benchmarks.report.documents.settings import table
from benchmarks.report.rules.cell import MARGIN


def sharpness(results: Path) -> str:
    """The largest eigenvalue of the Hessian of whole networks, a sentence per kind of fusion."""
    lines = read_lines(results / "pilot" / "tables" / "sharpness.csv")
    whole = [line for line in lines if line["block"] == "model"]
    told = []
    for fusion in dict.fromkeys(line["fusion"] for line in whole):
        here = [line for line in whole if line["fusion"] == fusion]
        values = ", ".join(f"{line['method']} {float(line['eigenvalue']):.1f}" for line in here)
        first = here[0]
        told.append(
            f"Largest eigenvalue of the Hessian, {fusion} fusion, {first['samples']} "
            f"{first['split']} rows, {first['n']} {'seed' if first['n'] == '1' else 'seeds'}: "
            f"{values}."
        )
    return " ".join(told) or "Not measured for these runs."


def paired_tests(results: Path, profile: str, suite: str) -> str:
    """Which rows are significantly above or below each reference, in a sentence each."""
    lines = fused_tests(results, profile, (suite,))
    told = []
    for name in reference_labels():
        here = [line for line in lines if _reference(line) == name]
        groups: dict[str, list[str]] = {}
        for line in here:
            groups.setdefault(_outcome(line), []).append(line["row"])
        said = "; ".join(f"{outcome} {', '.join(rows)}" for outcome, rows in groups.items())
        told += [f"Against {name}: {said}."] * bool(here)
    return " ".join(told) or "No rows to compare."


def _outcome(line: Line) -> str:
    if not line["p_holm"]:
        return f"not tested ({line['not_tested_because']})"
    if line["significant"] != "True":
        return "not told apart"
    return "above" if float(line["difference"]) < 0 else "below"


def _reference(line: Line) -> str:
    """Where rows have different labels, each has a reference of its own: `SAM, 20 % wrong`."""
    return line["reference"].partition(",")[0]


def differences(results: Path, profile: str, suite: str) -> str:
    """Every row minus each reference in points, with intervals; bold where significant."""
    lines = fused_tests(results, profile, (suite,))
    cells = {(line["row"], _reference(line)): _difference(line) for line in lines}
    names = reference_labels()
    ordered = [row.label for row in load_config().suites[suite].rows]
    rows = [row for row in ordered if any((row, name) in cells for name in names)]
    return table(
        ["fused accuracy", *(f"minus {name}" for name in names)],
        [[row, *(cells.get((row, name), "") for name in names)] for row in rows],
    )


def _difference(line: Line) -> str:
    if not line["p_holm"]:
        return "not tested"
    text = row_minus_reference(line)
    return f"**{text}**" if line["significant"] == "True" else text


def equivalence(results: Path, profile: str, suite: str) -> str:
    """Which rows are as good as M-SAM within the margin, each with the smallest margin."""
    lines = [
        line
        for line in fused_tests(results, profile, (suite,))
        if _reference(line) == label("msam") and line["p_holm"]
    ]
    same = [
        f"{line['row']} ({float(line['equivalent_within']):.2f})"
        for line in lines
        if line["equivalent"] == "True"
    ]
    other = [line["row"] for line in lines if line["equivalent"] != "True"]
    text = (
        f"Equivalent to M-SAM within {MARGIN:g} point, in brackets the smallest margin for which "
        f"that can be said: {', '.join(same) or 'none'}."
    )
    return text + f" Not shown for {', '.join(other)}." * bool(other)


def processors(results: Path) -> str:
    """How far single runs move if PyTorch uses an older instruction set, all else being equal."""
    folders = results / SMALL, results / f"{SMALL}_avx2"
    ours, others = ({p.stem: p for p in folder.glob("runs/*.json")} for folder in folders)
    moved = []
    for run_id in sorted(ours.keys() & others.keys()):
        runs = [RunRecord.load(found[run_id]) for found in (ours, others)]
        last = [100 * choose("val-best", run.history)["test"]["acc_mm"] for run in runs]
        moved.append(last[1] - last[0])
    if not moved:
        return "Not measured."
    mean, far = fmean(map(abs, moved)), max(map(abs, moved))
    return (
        f"Trained again with AVX2 in place of AVX-512 instructions, {len(moved)} runs of Joint-"
        f"Train, SAM and M-SAM move by {mean:.2f} points of fused accuracy on average, "
        f"{far:.2f} at most; their mean moves by {fmean(moved):+.2f}."
    )


def ties(results: Path, profile: str, suite: str) -> str:
    """The rows that no other row of the fused column beats, from the tests of all pairs."""
    lines = [
        line
        for line in read_lines(results / profile / "tables" / "comparison.csv")
        if line["suite"] == suite and line["metric"] == "acc_mm" and line["rank"]
    ]
    first = [line["row"] for line in lines if line["rank"] == "1"]
    if not first:
        return "No ranks."
    return (
        f"Of all pairs of the {len(lines)} ranked rows, none is significantly above "
        f"{', '.join(first)}: {'a tie' if len(first) > 1 else 'the best'}."
    )


def spread(results: Path, profile: str, suite: str) -> str:
    """How far apart the fused accuracies of a table are, beside the error of its test set."""
    lines = [
        line
        for line in read_lines(results / profile / "tables" / "comparison.csv")
        if line["suite"] == suite and line["metric"] == "acc_mm" and line["mean"]
    ]
    told = []
    for dataset in dict.fromkeys(line["dataset"] for line in lines):
        here = [line for line in lines if line["dataset"] == dataset]
        means = [float(line["mean"]) for line in here]
        widths = [float(line["wilson_high"]) - float(line["wilson_low"]) for line in here]
        told.append(
            f"The {len(here)} fused accuracies on {load_config().datasets[dataset].label} lie "
            f"between {min(means):.2f} % and {max(means):.2f} %. The 95 % interval of the test set "
            f"around one of them is {max(widths):.2f} points wide."
        )
    return " ".join(told) or "Nothing was trained."
