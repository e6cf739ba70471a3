"""The marked parts of the documents, and the command that writes them anew.

    PYTHONPATH=. .venv/bin/python -m benchmarks.report.documents.blocks

rewrites every such part of README.md, REPRODUCE.md and docs/*.md, and names the changed files.
Run it after `report` has written new tables, and after a change of a config. A part stands between
a marker and `<!-- end -->`:

- `<!-- results/FILE -->` repeats that file, `<!-- results/FILE#Title -->` its first table below
  that heading;
- `<!-- generated: NAME WORDS -->` is what GENERATED makes.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml

from benchmarks.configs.load import load_config, lookup
from benchmarks.records.files import write_text
from benchmarks.report.claims.answers import FAILS, HOLDS, holds_in_sum
from benchmarks.report.claims.sentences import CLAIMS
from benchmarks.report.documents import settings
from benchmarks.report.documents.answers import (
    NO,
    TABLES,
    YES,
    answers,
    read_lines,
)
from benchmarks.report.documents.settings import schedule_hours, table

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"(<!-- (results/|generated: )(.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
MARKER = re.compile(r"^<!-- (?:results/|generated: )", re.MULTILINE)


def answer_table(results: Path) -> str:
    """Question, answer and evidence, a row each."""
    rows = [
        [a.question.text, f"**{a.word}**", f"{a.detail} [Evidence]({a.evidence})"]
        for a in answers(results)
    ]
    return table(["Question", "Answer", "Why"], rows)


def state(results: Path) -> str:
    """What fails, what holds, what is unknown and what it would cost to know, a line each."""
    found = answers(results)
    fails = [f"{a.question.statement} ({a.word})" for a in found if a.word in (NO, "unlikely")]
    holds = [f"{a.question.statement} ({a.word})" for a in found if a.word in (YES, "likely")]
    unknown = [
        a.question.statement for a in found if not {a.word} & {NO, "unlikely", YES, "likely"}
    ]
    false, true = _claims(results)
    lines = {
        "Fails": [*fails, *false],
        "Holds": [*holds, *true],
        "Unknown": unknown,
        "What it would cost to know": [_cost()],
    }
    return "\n".join(
        f"- **{name}:** {'; '.join(parts) or 'nothing'}." for name, parts in lines.items()
    )


def _claims(results: Path) -> tuple[list[str], list[str]]:
    """What fails and what holds of the claims of the paper's text."""
    files = [results / profile / "tables" / "claims.csv" for profile in ("paper", "pilot")]
    lines = next(filter(None, map(read_lines, files)), [])
    columns = {c.name: [line for line in lines if line["claim"] == c.name] for c in CLAIMS}
    true = [c for c in CLAIMS if holds_in_sum(c, [line["paper"] for line in columns[c.name]])]
    best = [line for line in lines if line["claim"].startswith("best-")]
    beyond = sum(line["beyond_test_error"] == "True" for line in best)
    fails = [
        f"{len(CLAIMS) - len(true)} of {len(CLAIMS)} claims of the text are false of the paper's "
        "own printed numbers"
    ]
    holds = [
        f"{len(true)} of {len(CLAIMS)} claims of the text are true of the paper's own printed "
        "numbers; in these M-SAM has the best fused accuracy of every column, by more than the "
        f"error of the test set in {beyond} of {len(best)}"
    ]
    ours = Counter(line["ours"] for line in lines)
    for told, word in ((fails, FAILS), (holds, HOLDS)):
        if ours[word]:
            told.append(f"in {ours[word]} columns a claim {word} in our runs")
    return fails, holds


def _cost() -> str:
    config = load_config()
    parts = []
    for name, dataset in config.datasets.items():
        found = [schedule_hours(name, suite) for suite in TABLES]
        total = None if None in found else sum(filter(None, found))
        parts.append(f"{dataset.label} " + ("not measured" if total is None else f"{total:,.0f} h"))
    seeds = config.profiles["paper"].seeds
    return (
        f"the paper's schedule for both tables with {seeds} seeds takes, by estimate on two CPU "
        f"cores: {', '.join(parts)}; a GPU was not timed"
    )


def trained(results: Path) -> str:
    """What stands behind the answers: the runs, their machines, and what never ran."""
    runs = {path.stem for path in results.glob("*/runs/*.json")}
    machines = {
        machine
        for path in results.glob("*/**/compute.csv")
        for line in read_lines(path)
        for machine in line["hardware"].split(" and ")
    }
    processors = sorted({m.partition(", threads: ")[0] for m in machines if ", threads: " in m})
    accelerators = sorted(m for m in machines if m and ", threads: " not in m)
    where = ", ".join(processors + accelerators)
    gpu = "Some ran on a GPU." if accelerators else "**Nothing has run on a GPU.**"
    full = len(list(results.glob("paper/runs/*.json")))
    schedule = "**The paper's schedule was never trained.**"
    if full:
        schedule = f"{full} runs have the paper's schedule."
    return f"Behind these answers are {len(runs)} runs on {where}. {gpu} {schedule}"


def try_it(results: Path) -> str:
    """Five commands with what they cost here, from the cheapest on."""
    demo = _costs(results, "./reproduce.sh table1")
    data = _costs(results, "./reproduce.sh data prepare avmnist --raw DIR")
    pilot, paper = _run_hours(results / "pilot", "table1"), schedule_hours("avmnist", "table1")
    commands = {
        "compare --profile pilot": "our results beside the paper's, from the records here: seconds",
        "table1 --profile demo": f"trains Table 1 on generated stand-in data: {demo[0]}",
        "data prepare avmnist": f"downloads MNIST and FSDD and rebuilds AV-MNIST: {data[1]}",
        "table1 --profile pilot": f"Table 1 on it with small networks: {pilot:.1f} h",
        "table1 --profile paper": f"the paper's schedule, AV-MNIST: {paper or 0:,.0f} h; use a GPU",
    }
    width = max(map(len, commands))
    lines = [f"./reproduce.sh {words:<{width}}  # {about}" for words, about in commands.items()]
    fenced = "\n".join(["```", *lines, "```"])
    return f"{fenced}\n\nTimes are those of two CPU cores without a GPU."


def _costs(results: Path, command: str) -> list[str]:
    """The measured times and sizes of a command, in the order of `costs.yaml`."""
    costs = yaml.safe_load((results / "costs.yaml").read_text(encoding="utf-8"))
    return [cost["value"] for cost in costs if cost["command"] == command]


def _run_hours(folder: Path, suite: str) -> float:
    """Hours of the recorded runs of a table, one after the other."""
    seconds = {line["run_id"]: line["seconds"] for line in read_lines(folder / "tables/runs.csv")}
    lines = read_lines(folder / "tables/metrics.csv")
    runs = {line["run_id"] for line in lines if line["suite"] == suite}
    return sum(float(seconds[run] or 0) for run in runs) / 3600


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


def tests(results: Path, profile: str, suite: str) -> str:
    """What the paired tests of fused accuracy against M-SAM say, in one sentence."""
    lines = [
        line
        for line in read_lines(results / profile / "tables" / "significance.csv")
        if line["suite"] == suite and line["column"].endswith(":acc_mm")
    ]
    groups: dict[str, list[str]] = {}
    for line in lines:
        kind = line["not_tested_because"]
        name = line["row"]
        if line["p_holm"]:
            significant = line["significant"] == "True"
            kind = "significant" if significant else "not significant"
            name += f" ({float(line['difference']):+.2f})"
        else:
            kind = f"not tested ({kind})"
        groups.setdefault(kind, []).append(name)
    told = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in groups.items())
    return (
        "M-SAM minus the row, fused accuracy in points, Holm's correction: "
        f"{told or 'no rows to compare'}."
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


GENERATED: Mapping[str, Callable[..., str]] = {
    "answers": answer_table,
    "state": state,
    "trained": trained,
    "sharpness": sharpness,
    "tests": tests,
    "spread": spread,
    "try": try_it,
    "profile-names": lambda results: settings.profile_names(),
    "profiles": lambda results: settings.profiles(),
    "grids": lambda results: settings.grids(),
    "hours": lambda results: settings.hours(),
}


def documents(root: Path = ROOT) -> list[Path]:
    """The files that may have such parts."""
    return [*sorted(root.glob("*.md")), *sorted(root.glob("docs/*.md"))]


def refreshed(text: str, root: Path = ROOT) -> str:
    """The text of a document with every marked part as it is today.

    ValueError for a marker without an end, an unknown name, and a file or heading that is missing.
    """
    if len(BLOCK.findall(text)) != len(MARKER.findall(text)):
        raise ValueError("a marked part does not end, or begins in another")

    def anew(match: re.Match[str]) -> str:
        marker, kind, what, _, end = match.groups()
        made = _quoted(what, root) if kind == "results/" else _generated(what.split(), root)
        return f"{marker}\n{made}\n{end}"

    return BLOCK.sub(anew, text)


def _generated(words: Sequence[str], root: Path) -> str:
    name, *rest = words
    return lookup("generated part", name, GENERATED)(root / "results", *rest) + "\n"


def _quoted(what: str, root: Path) -> str:
    name, _, title = what.partition("#")
    path = root / "results" / name
    if not path.is_file():
        raise ValueError(f"results/{name} is quoted, but there is no such file")
    text = path.read_text(encoding="utf-8")
    if not title:
        return text
    below = text.partition(f"\n## {title}\n")[2]
    if found := re.search(r"(?:^\|.*\n)+", below, re.MULTILINE):
        return found[0]
    raise ValueError(f"results/{name} has no table below '{title}'")


def main() -> int:
    """Writes every document anew; exit status 0."""
    for path in documents():
        text = path.read_text(encoding="utf-8")
        if (new := refreshed(text)) != text:
            write_text(path, new)
            sys.stdout.write(f"written: {path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
