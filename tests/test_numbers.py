"""No measured number in the documents that the committed records do not give.

Checked are the sections in SOURCES. Their decimals and percentages must stand in a table of the
results folders named there or in the paper's printed tables, or be what the runs of a folder
`runs` reached: as they are, or rounded to as many digits. Their times and sizes must stand in
results/costs.yaml, and in a table beside the command that took them; hours such as 1.23 h are sums
over runs and stand in a compute.csv. What is in backticks or a block of code is a setting or a
command, not a result. A table between `<!-- results/FILE -->` and `<!-- end -->` repeats that file
byte for byte; `FILE#Title` is the first table below that heading of the file. A part below
`<!-- generated: NAME -->` is what `benchmarks/report/documents` makes today. A line that names a
file so (`steps`) is held to it.
"""

import re

import pytest

from benchmarks.report.documents.blocks import documents, refreshed
from tests.committed import ROOT, costs, numbers, reached, tables

PILOT = ("pilot", "pilot_aligned", "pilot_published", "pilot_tune", "short", "forensics")
SOURCES = {
    "README.md": dict.fromkeys(
        ("M-SAM bench", "Answer so far", "Try it", "Use M-SAM", "Compare your own", "Cite"),
        (*PILOT, "bench"),
    ),
    "REPRODUCE.md": {
        "Reproducing the paper, claim by claim": PILOT,
        "Claims and commands": PILOT,
        "Results": PILOT,
        "What the printed algorithm amounts to": ("pilot", "short"),
        "Protocol in short": PILOT,
    },
    "docs/evidence.md": dict.fromkeys(
        (
            "What was measured",
            "How it was run",
            "Late fusion, Table 1",
            "Early fusion, Table 2",
            "Controls",
            "One rho for all",
            "Methods beyond the paper",
            "Wrong training labels",
            "Pairs that belong together",
            "Curvature",
            "Another processor",
            "What would settle it",
        ),
        PILOT,
    ),
    "docs/data.md": {"AV-MNIST: 3 or 4 components": ("quick/runs", "forensics")},
    "docs/forensics.md": {"Which AV-MNIST": PILOT},
    "docs/performance.md": {"What to type, and what it costs": PILOT, "Speed": ("bench",)},
    "docs/spec-ledger.md": {"Absent modalities": ("quick/runs",)},
}
QUOTE = re.compile(r"<!-- (results/[^ #]+)(?:#(.+?))? -->\n(.*?)<!-- end -->", re.DOTALL)
GENERATED = re.compile(r"<!-- generated: .+? -->\n.*?<!-- end -->", re.DOTALL)
SETTING = re.compile(r"^```.*?^```|`[^`]*`|\]\([^)]*\)", re.DOTALL | re.MULTILINE)
COST = re.compile(r"(?<![\d.])(?:\d[\d.,]* (?:min \d+ s|min|minutes?|s|GB|MB)|\d+ (?:h|hours?))\b")
NUMBER = re.compile(r"(?<![\w.,])(?:\d{1,3}\.\d+|\d+(?= ?%))(?![\w.,]*\w)")
DOCUMENTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in SOURCES}


def checked_lines(name, text):
    """(where, title, line as written, line without settings) of every line of the sections."""
    bare = text
    for ignored in (QUOTE, GENERATED, SETTING):
        bare = ignored.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), bare)
    title = ""
    for number, (line, rest) in enumerate(zip(text.split("\n"), bare.split("\n"), strict=True), 1):
        if heading := re.match(r"#+ (.+)", line):
            title = heading[1]
        elif title in SOURCES[name]:
            yield f"{name}:{number}: ", title, line, rest


def unmeasured(name, text):
    """The lines with a result that no committed file has: each with that number."""
    for where, title, line, rest in checked_lines(name, text):
        paths = tables(SOURCES[name][title])
        runs = frozenset().union(*map(reached, SOURCES[name][title]))
        named = [path for path in paths if f"`{path.stem}`" in line]
        known = numbers(tuple(named or paths)) | runs
        for printed in NUMBER.findall(COST.sub("", rest)):
            half = 0.5 * 10 ** -len(printed.partition(".")[2])
            if not any(abs(value - float(printed)) <= half + 1e-9 for value in known):
                told = {path.stem for path in named} or SOURCES[name][title]
                yield f"{where}{printed} is in no table of {', '.join(told)}: {line}"


def uncosted(name, text):
    """The lines with a time or a size that costs.yaml does not have, or not for that command."""
    for where, _, line, rest in checked_lines(name, text):
        here = [c for c in costs() if line.startswith("|") and f"`{c['command']}`" in line]
        for printed in COST.findall(rest):
            if printed not in {cost["value"] for cost in here or costs()}:
                yield f"{where}{printed} is not in results/costs.yaml: {line}"


def misquoted(name, text):
    """The files of quoted tables that say something else, and markers without a partner."""
    for file, title, quoted in QUOTE.findall(text):
        told = (ROOT / file).read_text(encoding="utf-8")
        if title:
            below = told.partition(f"\n## {title}\n")[2]
            told = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)[0] if below else ""
        if quoted != f"\n{told}\n":
            yield f"{name}: the block is not {file}{'#' * bool(title)}{title}"
    if len(QUOTE.findall(text)) != text.count("<!-- results/"):
        yield f"{name}: a quoted table does not end, or begins in another"


def outdated(name, text):
    """The document, if a marked part is not what is made from the committed files today."""
    try:
        if refreshed(text) != text:
            yield f"{name}: run python -m benchmarks.report.documents.blocks"
    except ValueError as error:
        yield f"{name}: {error}"


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("faults", [unmeasured, uncosted, misquoted])
def test_every_number_is_that_of_a_committed_file(faults, name):
    assert list(faults(name, DOCUMENTS[name])) == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_every_marked_part_is_that_of_today(path):
    assert list(outdated(path.name, path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("faults", "name", "old", "new"),
    [
        (unmeasured, "docs/forensics.md", r"(## Which AV-MNIST\n)", r"\1\nIt reaches 99.13 %.\n"),
        (unmeasured, "docs/performance.md", r"(## Speed\n)", r"\1\nIt costs 9.87 times as much.\n"),
        (unmeasured, "REPRODUCE.md", r"(## Results\n)", r"\1\nIt learns 987654 % faster.\n"),
        (unmeasured, "README.md", r"(## Answer so far\n)", r"\1\nIt learns 987654 % faster.\n"),
        (unmeasured, "docs/performance.md", r"(\| `naive` \|.*)1\.54", r"\g<1>1.06"),
        (uncosted, "docs/performance.md", r"(\| `\./reproduce\.sh table1` \| )\d+", r"\g<1>77"),
        (uncosted, "docs/performance.md", r"(\| `\./reproduce\.sh table1` \| )[^|]+", r"\g<1>8 s "),
        (uncosted, "REPRODUCE.md", r"(## Claims and commands\n)", r"\1\nAll of it took 3 h.\n"),
        (uncosted, "README.md", r"(## Try it\n)", r"\1\nAll of it took 3 h.\n"),
        (
            misquoted,
            "docs/forensics.md",
            r"(\| 4 components, aligned +\| +)100\.00",
            r"\g<1>100.01",
        ),
        (
            misquoted,
            "docs/forensics.md",
            r"(<!-- results/forensics/)forensics\.md",
            r"\1forensics.csv",
        ),
        (misquoted, "docs/forensics.md", r"(-->\n\n\| AV-MNIST.*?)<!-- end -->", r"\1"),
        (outdated, "README.md", r"\*\*unlikely\*\*", "**yes**"),
        (outdated, "README.md", r"(table1 --profile paper .*?)[\d,]+ h", r"\g<1>3 h"),
        (outdated, "REPRODUCE.md", r"(AV-MNIST )[\d,]+ h", r"\g<1>3 h"),
        (outdated, "docs/hyperparameters.md", r"0\.02, 0\.05, 0\.1, 0\.2", "0.02, 0.05, 0.1"),
        (outdated, "docs/protocol.md", r"<!-- end -->", ""),
    ],
)
def test_a_wrong_number_is_seen(faults, name, old, new):
    text = (ROOT / name).read_text(encoding="utf-8")
    wrong, changed = re.subn(old, new, text, count=1, flags=re.DOTALL if "-->" in old else 0)
    assert changed
    assert list(faults(name, wrong))


def test_every_checked_section_exists_and_every_cost_is_told():
    for name, titles in SOURCES.items():
        assert set(titles) <= set(re.findall(r"^#+ (.+)$", DOCUMENTS[name], re.MULTILINE))
    for cost in costs():
        assert set(cost) == {"what", "command", "value", "machine", "date", "commit"}
        assert any(cost["value"] in text for text in DOCUMENTS.values()), cost


def test_what_is_called_not_run_has_no_records():
    if "No cell has one yet" in DOCUMENTS["REPRODUCE.md"]:
        assert not (ROOT / "results" / "paper").exists()
