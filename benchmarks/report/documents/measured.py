"""What was measured, for the documents: paired tests, spreads, curvature, other processors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.records.record import RunRecord, load_records
from benchmarks.records.selection import choose
from benchmarks.report.documents.evidence import (
    SMALL,
    Line,
    by_dataset,
    config,
    fused_lines,
    fused_tests,
    read_lines,
    with_interval,
)
from benchmarks.report.documents.settings import table
from benchmarks.report.rules.cell import MARGIN
from benchmarks.report.tables.contrast import REFERENCES, SUBJECT


def _labels() -> dict[str, str]:
    """The references with their names in tables, the paper's method last."""
    return {name: config().methods[name].label for name in reversed(REFERENCES)}


def accuracies(results: Path, profile: str, suite: str) -> str:
    """Every accuracy of a table, mean and standard deviation over seeds, beside the paper's."""
    lines = [
        line
        for line in read_lines(results / profile / "tables" / "comparison.csv")
        if line["suite"] == suite
    ]
    parts = [
        _accuracies(dataset, here)
        for dataset, here in by_dataset(lines).items()
        if any(line["mean"] for line in here)
    ]
    return "\n\n".join(parts) or "Nothing was trained."


def _accuracies(dataset: str, lines: Sequence[Line]) -> str:
    planned = max(int(line["n"]) for line in lines)
    printed = any(line["paper"] for line in lines)
    cells = {(line["row"], line["metric"]): line for line in lines}
    metrics = [m for m in dict.fromkeys(line["metric"] for line in lines) if m != "acc_mm"]
    metrics.append("acc_mm")
    told = [line["row"] for line in lines if line["mean"] or "unsupported" in line["reason"]]
    header, rows = [dataset], {row: [row] for row in dict.fromkeys(told)}
    for metric in metrics:
        header += ["fused" if metric == "acc_mm" else metric.removeprefix("acc_")]
        header += ["paper"] * printed
        for row, texts in rows.items():
            line = cells.get((row, metric))
            texts += [_accuracy(line, planned) if line else ""]
            texts += [f"{float(line['paper']):.2f}" if line and line["paper"] else ""] * printed
    why = {
        line["row"]: line["reason"] for line in lines if line["row"] in rows and not line["mean"]
    }
    left = [row for row in dict.fromkeys(line["row"] for line in lines) if row not in rows]
    notes = f"Percent, mean ± standard deviation over {planned} seeds."
    notes += "".join(f" {row}: {reason}." for row, reason in why.items())
    notes += f" Not run: {', '.join(left)}." * bool(left)
    return f"{table(header, rows.values())}\n\n{notes}"


def _accuracy(line: Line, planned: int) -> str:
    if not line["mean"]:
        return line["state"]
    spread = f" ± {float(line['sd']):.2f}" if line["sd"] else ""
    few = f" ({line['n']})" if int(line["n"]) < planned else ""
    return f"{float(line['mean']):.2f}{spread}{few}"


def paired_tests(results: Path, profile: str, suite: str) -> str:
    """Which rows are significantly above or below each reference, a sentence per reference."""
    told = []
    for dataset, lines in by_dataset(fused_tests(results, profile, (suite,))).items():
        for name, label in _labels().items():
            groups: dict[str, list[str]] = {}
            for line in lines:
                if line["reference_method"] == name:
                    groups.setdefault(_outcome(line), []).append(line["row"])
            said = "; ".join(f"{outcome}: {', '.join(rows)}" for outcome, rows in groups.items())
            told += [f"{dataset}, against {label}: {said}."] * bool(groups)
    return " ".join(told) or "No rows to compare."


def _outcome(line: Line) -> str:
    if not line["p"]:
        return f"not tested ({line['not_tested_because']})"
    if line["significant"] != "True":
        return "no significant difference"
    return "significantly above" if float(line["difference"]) < 0 else "significantly below"


def differences(results: Path, profile: str, suite: str) -> str:
    """Every row minus each reference in points, with intervals; bold where significant."""
    ordered = [row.label for row in config().suites[suite].rows]
    tables = []
    for dataset, lines in by_dataset(fused_tests(results, profile, (suite,))).items():
        cells = {(line["row"], line["reference_method"]): _difference(line) for line in lines}
        rows = [row for row in ordered if any((row, name) in cells for name in REFERENCES)]
        tables.append(
            table(
                [f"{dataset}, fused", *(f"row minus {label}" for label in _labels().values())],
                [[row, *(cells.get((row, name), "") for name in _labels())] for row in rows],
            )
        )
    return "\n\n".join(tables) or "No rows to compare."


def _difference(line: Line) -> str:
    if not line["p"]:
        return "not tested"
    text = with_interval(line, sign=-1)
    return f"**{text}**" if line["significant"] == "True" else text


def equivalence(results: Path, profile: str, suite: str) -> str:
    """Which rows are equivalent to M-SAM within MARGIN, each with the smallest margin."""
    subject, told = _labels()[SUBJECT], []
    for dataset, lines in by_dataset(fused_tests(results, profile, (suite,), SUBJECT)).items():
        same = [
            f"{line['row']} ({float(line['equivalent_within']):.2f})"
            for line in lines
            if line["equivalent"] == "True"
        ]
        other = [line["row"] for line in lines if line["equivalent"] == "False"]
        untested = [line["row"] for line in lines if not line["p"]]
        text = (
            f"{dataset}, equivalent to {subject} within {MARGIN:g} point (each test at 5 %, not "
            f"corrected; in brackets the smallest margin at which it succeeds): "
            f"{', '.join(same) or 'none'}."
        )
        text += f" Not shown for: {', '.join(other)}." * bool(other)
        text += f" Not tested: {', '.join(untested)}." * bool(untested)
        told.append(text)
    return " ".join(told) or "No rows to compare."


def ties(results: Path, profile: str, suite: str) -> str:
    """The rows that share the first rank of the fused column, from the tests of all pairs."""
    lines = fused_lines(results, profile, "comparison", (suite,))
    told = []
    for dataset, ranked in by_dataset([line for line in lines if line["rank"]]).items():
        first = [line["row"] for line in ranked if line["rank"] == "1"]
        share = "share the first rank" if len(first) > 1 else "has the first rank alone"
        told.append(
            f"{dataset}: of {len(ranked)} ranked rows, {', '.join(first)} {share}: no row is "
            "significantly better (all pairs, Holm)."
        )
    return " ".join(told) or "No ranks."


def spread(results: Path, profile: str, suite: str) -> str:
    """How far apart the fused accuracies of a table are, beside the error of its test set."""
    lines = fused_lines(results, profile, "comparison", (suite,))
    told = []
    measured = [line for line in lines if line["mean"] and line["wilson_low"]]
    for dataset, here in by_dataset(measured).items():
        means = [float(line["mean"]) for line in here]
        widths = [float(line["wilson_high"]) - float(line["wilson_low"]) for line in here]
        told.append(
            f"The {len(here)} fused accuracies on {dataset} lie between {min(means):.2f} % and "
            f"{max(means):.2f} %. For comparison: the test set alone makes the 95 % interval of "
            f"one accuracy {max(widths):.2f} points wide. Paired tests are more sensitive."
        )
    return " ".join(told) or "Nothing was trained."


def sharpness(results: Path) -> str:
    """The largest eigenvalue of the Hessian of whole networks, a sentence per measurement."""
    lines = read_lines(results / SMALL / "tables" / "sharpness.csv")
    groups: dict[tuple[str, ...], list[Line]] = {}
    for line in lines:
        if line["block"] == "model":
            place = tuple(line[name] for name in ("fusion", "samples", "split", "n"))
            groups.setdefault(place, []).append(line)
    told = []
    for (fusion, samples, split, seeds), here in groups.items():
        values = ", ".join(f"{line['method']} {_eigenvalue(line)}" for line in here)
        told.append(
            f"Largest eigenvalue of the Hessian, {fusion} fusion, {samples} {split} rows, {seeds} "
            f"{'seed' if seeds == '1' else 'seeds'}: {values}."
        )
    return " ".join(told) or "Not measured for these runs."


def _eigenvalue(line: Line) -> str:
    sd = line.get("eigenvalue_sd")
    return f"{float(line['eigenvalue']):.1f}" + (f" ± {float(sd):.1f}" if sd else "")


def processors(results: Path) -> str:
    """How far single runs move with an older instruction set, code and everything else equal."""
    folders = results / SMALL, results / f"{SMALL}_avx2"
    ours, others = (
        {run.run_id: run for run in load_records(folder / "runs")[0]} for folder in folders
    )
    pairs = [(ours[name], others[name]) for name in sorted(ours.keys() & others.keys())]
    pairs = [(one, other) for one, other in pairs if one.code == other.code]
    moved = [_fused(other) - _fused(one) for one, other in pairs]
    if not moved:
        return "Not measured."
    methods = dict.fromkeys(config().methods[one.experiment.method].label for one, _ in pairs)
    sets = dict.fromkeys(str(other.environment.get("cpu_capability")) for _, other in pairs)
    return (
        f"Trained again with the instruction set {', '.join(sets)}, {len(moved)} runs "
        f"({', '.join(methods)}) move by {fmean(map(abs, moved)):.2f} points of fused accuracy on "
        f"average and {max(map(abs, moved)):.2f} at most. Their mean moves by {fmean(moved):+.2f}."
    )


def _fused(run: RunRecord) -> float:
    """Fused test accuracy in percent at the reported epoch."""
    return 100 * float(choose("val-best", run.history)["test"]["acc_mm"])
