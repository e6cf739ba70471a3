"""What the generated parts of the documents say, each as Markdown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.configs.load import load_config
from benchmarks.report.claims.answers import FAILS, HOLDS, holds_in_sum
from benchmarks.report.claims.sentences import CLAIMS
from benchmarks.report.documents import measured, settings
from benchmarks.report.documents.answers import EQUIVALENT, NO, UNKNOWN, YES, Answer, answers
from benchmarks.report.documents.evidence import PROFILES, TABLES, read_lines
from benchmarks.report.documents.settings import schedule_hours, table
from benchmarks.report.tables.paper import PAPER_PROFILE
from datasets.errors import counted

# The folders that are published: what a user trains lies beside them.
EVIDENCE = (
    *("paper", "short", "pilot", "pilot_published", "pilot_aligned"),
    *("tune", "pilot_tune", "quick", "forensics"),
)


def answer_table(results: Path) -> str:
    """Question, answer and evidence, a row each."""
    rows = [
        [
            a.question.text,
            f"**{a.word}**{', in small networks' * a.small}",
            f"{a.detail} [Evidence]({a.evidence})",
        ]
        for a in answers(results)
    ]
    return table(["Question", "Answer", "Why"], rows)


def state(results: Path) -> str:
    """What fails, what holds, what is unknown and what it would cost to know, a line each.

    What was asked of small networks alone has a line of its own, and stays unknown."""
    every = answers(results)
    small = [a for a in every if a.small]
    found = [a for a in every if not a.small]
    false, true = _claims(results)
    lines = {
        "Found false or unlikely": [*(_statement(a) for a in found if _is_false(a)), *false],
        "Found true or likely": [
            *(_statement(a) for a in found if a.word in (YES, "likely")),
            *true,
        ],
        "In small networks alone": [f"{a.question.statement}: {a.word}" for a in small],
        "Open": [
            *(_statement(a) for a in found if not _is_false(a) and a.word not in (YES, "likely")),
            *(f"{a.question.statement}, at the paper's scale" for a in small),
        ],
        "What it would cost to know": [_cost()],
    }
    return "\n".join(
        f"- **{name}:** {'; '.join(parts) or 'nothing'}." for name, parts in lines.items()
    )


def _is_false(answer: Answer) -> bool:
    return answer.word in (NO, EQUIVALENT, "unlikely") or answer.word.startswith("not ")


def _statement(answer: Answer) -> str:
    """The statement, with the answer behind it unless that is plain yes, no or unknown."""
    bare = answer.word in (YES, NO, UNKNOWN)
    return answer.question.statement + ("" if bare else f" ({answer.word})")


def _claims(results: Path) -> tuple[list[str], list[str]]:
    """What fails and what holds of the claims of the paper's text."""
    files = [results / profile / "tables" / "claims.csv" for profile in PROFILES]
    lines = next(filter(None, map(read_lines, files)), [])
    if not lines:
        return [], []
    columns = {c.name: [line for line in lines if line["claim"] == c.name] for c in CLAIMS}
    asked = [claim for claim in CLAIMS if columns[claim.name]]
    agree = [c for c in asked if holds_in_sum(c, [line["paper"] for line in columns[c.name]])]
    best = [line for line in lines if line["claim"].startswith("best-")]
    first = [line for line in best if line["paper"] == HOLDS]
    beyond = sum(line["beyond_test_error"] == "True" for line in first)
    of = f"of the {len(asked)} claims of the text"
    fails = [f"{len(asked) - len(agree)} {of} do not agree with the paper's own printed numbers"]
    holds = [
        f"{len(agree)} {of} agree with the paper's own printed numbers",
        f"in these numbers M-SAM has the best fused accuracy in {len(first)} of {len(best)} "
        f"columns, in {beyond} by more than the error of the (unpaired) test sets",
    ]
    ours = Counter(line["ours"] for line in lines)
    for told, word in ((fails, FAILS), (holds, HOLDS)):
        if ours[word]:
            told.append(f"in {counted(ours[word], 'column')} a claim {word} in our runs")
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
    """What was trained: the runs, their time and machines, and what never ran."""
    records = _done(results, EVIDENCE)
    hours = sum(record["timing"]["seconds"] for record in records.values()) / 3600
    machines = {record["environment"]["device"]: record for record in records.values()}
    on_gpu = any("cuda" in record["environment"] for record in machines.values())
    gpu = "Some ran on a GPU." if on_gpu else "**Nothing has run on a GPU.**"
    full = len(_done(results, (PAPER_PROFILE,)))
    schedule = "**No run has the profile `paper`, the paper's schedule.**"
    if full:
        schedule = f"{counted(full, 'run')} {'has' if full == 1 else 'have'} the profile `paper`."
    return (
        f"Published here are {counted(len(records), 'run')} on {', '.join(sorted(machines))}, "
        f"{hours:.1f} h one after the other. {gpu} {schedule}"
    )


def _done(results: Path, profiles: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """The records of the finished runs of these profiles, by run; a run counts once."""
    paths = [path for name in profiles for path in (results / name).glob("runs/*.json")]
    records = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    return {name: record for name, record in records.items() if record["status"] == "done"}


def try_it(results: Path) -> str:
    """Five commands with what they cost here, from the cheapest on."""
    demo = _costs(results, "./reproduce.sh table1")
    data = _costs(results, "./reproduce.sh data prepare avmnist --raw DIR")
    pilot, paper = _run_hours(results / "pilot", "table1"), schedule_hours("avmnist", "table1")
    hours = "time not known" if paper is None else f"{paper:,.0f} h"
    commands = {
        "compare --profile pilot": "our results beside the paper's, from the records here: seconds",
        "table1 --profile demo": f"trains Table 1 on generated stand-in data: {demo[0]}",
        "data prepare avmnist": f"downloads MNIST and FSDD and rebuilds AV-MNIST: {data[1]}",
        "table1 --profile pilot": f"Table 1 on it with small networks: {pilot:.1f} h",
        "table1 --profile paper": f"the paper's schedule, AV-MNIST: {hours}; use a GPU",
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


# name -> the part, from the folder of all results and the words after the name
GENERATED: Mapping[str, Callable[..., str]] = {
    "answers": answer_table,
    "state": state,
    "trained": trained,
    "sharpness": measured.sharpness,
    "accuracies": measured.accuracies,
    "tests": measured.paired_tests,
    "differences": measured.differences,
    "equivalence": measured.equivalence,
    "ties": measured.ties,
    "spread": measured.spread,
    "processors": measured.processors,
    "try": try_it,
    "profile-names": lambda results: settings.profile_names(),
    "profiles": lambda results: settings.profiles(),
    "methods": lambda results: settings.methods(),
    "grids": lambda results: settings.grids(),
    "hours": lambda results: settings.hours(),
}
