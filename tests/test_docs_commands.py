"""Every command in the documents is understood, and a test runs it or a reason says why not."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from benchmarks.cli.verbs import parse
from tests.syntax import ROOT

DOCUMENTS = [ROOT / name for name in ("README.md", "REPRODUCE.md", "AGENTS.md", "CONTRIBUTING.md")]
DOCUMENTS += sorted((ROOT / "docs").glob("*.md"))
# Documents whose blocks a test follows to the letter, in a copy with what they tell one to add.
FOLLOWED = {
    "add-a-dataset.md": "tests/test_docs_dataset.py",
    "add-a-method.md": "tests/test_docs_method.py",
    "add-a-table.md": "tests/test_docs_table.py",
}
# The first words of a command, and a test that runs such a command. Longer beginnings come first.
RUN = {
    "--help": "tests/benchmarks/cli/test_verbs.py",
    "help": "tests/benchmarks/cli/test_verbs.py",
    "completion": "tests/test_installation.py",
    "list": "tests/test_installation.py",
    "status": "tests/test_installation.py",
    "compare": "tests/test_fresh_clone.py",
    "report": "tests/test_fresh_clone.py",
    "figures": "tests/test_installation.py",
    "merge": "tests/benchmarks/records/test_merging.py",
    "calibrate": "tests/test_installation.py",
    "forensics printed": "tests/test_installation.py",
    "forensics archive": "tests/benchmarks/studies/forensics/test_archive.py",
    "forensics": "tests/benchmarks/studies/forensics/test_forensics.py",
    "data sources": "tests/benchmarks/cli/test_data.py",
    "data status": "tests/benchmarks/cli/test_data.py",
    "data audit": "tests/benchmarks/cli/test_data.py",
    "data prepare": "tests/benchmarks/cli/test_data.py",
    "table1": "tests/benchmarks/cli/test_train.py",
    "table2": "tests/benchmarks/cli/test_train.py",
    "controls": "tests/benchmarks/cli/test_train.py",
    "all": "tests/benchmarks/cli/test_train.py",
    "run": "tests/benchmarks/cli/test_cli.py",
    "tune": "tests/benchmarks/studies/tuning/test_tuning.py",
    "sharpness": "tests/benchmarks/studies/sharpness/test_verb.py",
    "bench": "tests/benchmarks/bench/test_bench.py",
    "doctor": "tests/benchmarks/cli/test_doctor.py",
    "new-method": "tests/benchmarks/cli/test_methods.py",
    "check-method": "tests/benchmarks/cli/test_methods.py",
}
# Words of a command that no test runs as it stands, and why.
NOT_RUN = {
    "--executor": "needs a Slurm cluster; tests/slurm starts one where Slurm is installed",
    "--gpu-tests": "needs a GPU",
    "cuda": "needs a GPU",
    "packing": "needs a GPU",
    "paper": "needs a GPU, or many days",
    "short": "needs a GPU, or days",
    "quick": "trains on real data, which tests do not have",
    "pilot": "trains on real data for an hour",
    "--accept-licence": "downloads files under a licence that a person must accept",
    "noise": "is a table like table1, with other rows",
    "test": "is this suite",
}
READING = {"compare", "report", "figures", "status"}  # what they read may be of any profile
# Files that the reader has; names in capitals, such as DIR, are placeholders anyway.
READERS_FILES = {"humor.pkl", "avmnist.tar.gz", "CREMA-D"}


def commands(document: Path) -> dict[str, bool]:
    """{the words after `./reproduce.sh`: whether they stand in a block}, once each."""
    text = document.read_text(encoding="utf-8")
    fenced = "".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    indented = "\n".join(re.findall(r"^    .*$", text, re.MULTILINE))
    block = r"^.*?\./reproduce\.sh(?: (.*?))?(?:\)\")?(?:\s+#.*)?$"  # also `eval "$(...)"`
    lines = re.findall(block, fenced + indented, re.MULTILINE)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = [" ".join(span.split()) for span in re.findall(r"`\./reproduce\.sh ([^`]+)`", rest)]
    return dict.fromkeys(spans, False) | dict.fromkeys(lines, True)


def is_placeholder(word: str) -> bool:
    return word in READERS_FILES or re.fullmatch(r"[A-Z_]+|.*=[A-Z]", word) is not None


CASES = [
    pytest.param(document, line, fenced, id=f"{document.name}: {line}")
    for document in DOCUMENTS
    for line, fenced in commands(document).items()
    if not (fenced and document.name in FOLLOWED)
]


@pytest.mark.parametrize(("document", "line", "fenced"), CASES)
def test_a_command_is_understood(document: Path, line: str, fenced: bool) -> None:
    words = shlex.split(line)
    template = "[" in line or "..." in line or not words or words[0] == "VERB"
    if template and not fenced:
        return  # a form, such as `bench [--parts ...]`
    if words[0] == "test" or {"-h", "--help", "--version"} & set(words):
        return
    try:
        arguments = parse(["1" if re.fullmatch("[A-Z]", word) else word for word in words])
    except ValueError as error:
        pytest.fail(f"{document.name} has the command `./reproduce.sh {line}`, but {error}")
    given = [v for value in vars(arguments).values() for v in _listed(value)]
    for path in (value for value in given if isinstance(value, Path)):
        assert is_placeholder(str(path)) or path.exists() or path.parts[0] == "results", (
            f"{document.name}: `./reproduce.sh {line}` names {path}, which is not in the "
            f"repository; write a placeholder in capitals, or add it to READERS_FILES here"
        )


@pytest.mark.parametrize(("document", "line", "fenced"), CASES)
def test_a_command_is_run_by_a_test_or_has_a_reason(
    document: Path, line: str, fenced: bool
) -> None:
    words = line.split()
    reads = bool(words) and words[0] in READING
    why_not = [reason for word, reason in NOT_RUN.items() if word in words and not reads]
    runs = [name for start, name in RUN.items() if words[: len(start.split())] == start.split()]
    assert why_not or runs or not fenced, (
        f"{document.name} has the command `./reproduce.sh {line}`, and nobody runs it. In "
        f"{Path(__file__).name}, name a test that runs such a command in RUN, or the word that "
        f"keeps tests from running it and why in NOT_RUN"
    )


def test_the_tests_that_are_named_call_the_verb() -> None:
    for start, name in {**RUN, **FOLLOWED}.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        assert start.split()[-1] in text, f"{name} does not speak of `{start}`"


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
