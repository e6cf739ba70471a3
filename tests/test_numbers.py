"""No measured number in README or REPRODUCE that the committed records do not give.

Checked are the sections in SOURCES. Their decimals and percentages must stand in a table of the
results folders named there or in the paper's printed tables, or be what the runs of a folder
`runs` reached: as they are, or rounded to as many digits. Their times and sizes must stand in
results/costs.yaml, and in a table beside the command that took them; hours such as 1.23 h are sums
over runs and stand in a compute.csv. What is in backticks or a block of code is a setting or a
command, not a result. A table between `<!-- results/FILE -->` and `<!-- end -->` repeats that file
byte for byte; `FILE#Title` is the first table below that heading of the file. A line that names a
file so (`steps`) is held to it.
"""

import re

import pytest

from tests.committed import ROOT, costs, numbers, reached, tables

SOURCES = {
    "README.md": {"M-SAM bench": ("pilot", "short", "forensics", "bench")},
    "REPRODUCE.md": {
        "State": ("pilot", "short", "forensics"),
        "What to type, and what it costs": ("pilot", "short", "forensics"),
        "Results": ("pilot", "short", "forensics"),
        "Forensics": ("pilot", "short", "forensics"),
        "AV-MNIST: 3 or 4 components": ("quick/runs", "forensics"),
        "Absent modalities": ("quick/runs",),
        "What the printed algorithm amounts to": ("pilot", "short"),
        "Speed": ("bench",),
    },
}
QUOTE = re.compile(r"<!-- (results/[^ #]+)(?:#(.+?))? -->\n(.*?)<!-- end -->", re.DOTALL)
SETTING = re.compile(r"^```.*?^```|`[^`]*`|\]\([^)]*\)", re.DOTALL | re.MULTILINE)
COST = re.compile(r"(?<![\d.])(?:\d[\d.,]* (?:min \d+ s|min|minutes?|s|GB|MB)|\d+ (?:h|hours?))\b")
NUMBER = re.compile(r"(?<![\w.,])(?:\d{1,3}\.\d+|\d+(?= ?%))(?![\w.,]*\w)")
DOCUMENTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in SOURCES}


def checked_lines(name, text):
    """(where, title, line as written, line without settings) of every line of the sections."""
    bare = text
    for ignored in (QUOTE, SETTING):
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


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("faults", [unmeasured, uncosted, misquoted])
def test_every_number_is_that_of_a_committed_file(faults, name):
    assert list(faults(name, DOCUMENTS[name])) == []


@pytest.mark.parametrize(
    ("faults", "old", "new"),
    [
        (unmeasured, r"(## Forensics\n)", r"\1\nFusion reaches 99.13 %.\n"),
        (unmeasured, r"(## Speed\n)", r"\1\nIt costs 9.87 times as much.\n"),
        (unmeasured, r"(## State\n)", r"\1\nIt learns 1234 % faster.\n"),
        (unmeasured, r"(\| `naive` \|.*)1\.54", r"\g<1>1.06"),
        (uncosted, r"(\| `\./reproduce\.sh table1` \| )\d+", r"\g<1>77"),
        (uncosted, r"(\| `\./reproduce\.sh table1` \| )[^|]+", r"\g<1>8 s "),
        (uncosted, r"(## State\n)", r"\1\nAll of it took 3 h.\n"),
        (misquoted, r"(\| 4 components, aligned +\| +)100\.00", r"\g<1>100.01"),
        (misquoted, r"(<!-- results/forensics/)forensics\.md", r"\1forensics.csv"),
        (misquoted, r"<!-- end -->", ""),
    ],
)
def test_a_wrong_number_is_seen(faults, old, new):
    wrong, changed = re.subn(old, new, DOCUMENTS["REPRODUCE.md"], count=1)
    assert changed
    assert list(faults("REPRODUCE.md", wrong))


def test_every_checked_section_exists_and_every_cost_is_told():
    for name, titles in SOURCES.items():
        headings = re.findall(r"^#+ (.+)$", DOCUMENTS[name], re.MULTILINE)
        assert set(titles) <= set(headings) | {"Results", "What the printed algorithm amounts to"}
    for cost in costs():
        assert set(cost) == {"what", "command", "value", "machine", "date", "commit"}
        assert any(cost["value"] in text for text in DOCUMENTS.values()), cost
