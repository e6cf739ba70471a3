"""What is printed fits the terminal, has colours where there is one, and is plain elsewhere."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import terminal
from benchmarks.__main__ import main
from benchmarks.configs.load import load_config
from benchmarks.plan.workspace import ROOT
from tests.benchmarks.report.builders import READY, cell_of, plan, record

WIDE_ROWS = [["M-SAM", "74.10 ± 0.10 (3)", "words " * 30]]
CODES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the place of the fixture with stand-in data: as in a fresh clone, there is none."""
    monkeypatch.setenv("MSAM_DATA_DIR", str(tmp_path / "no data"))


@pytest.fixture(params=[80, 140])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    return request.param


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Records of all three modalities with five seeds: the widest table of the paper."""
    cells = plan(avmnist=READY, urfunny=READY)
    for dataset in ("avmnist", "urfunny"):
        for row in ("M-SAM", "Joint-Train", "Recon-Boost"):
            for seed in range(5):
                run = record(cell_of(cells, row, dataset), seed, 60.0 + seed)
                run.save(tmp_path / "runs" / f"{run.run_id}.json")
    return tmp_path


NAMES = ["mslr", "ogm_ge", "cremad", "noise", "short"]
CALLS = [["--help"], ["list"], *(["list", name] for name in NAMES), ["help", "table1"], ["data"],
         ["status"], ["status", "--profile", "tune"], ["doctor"]]  # fmt: skip


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_texts_fit(capsys, width, words):
    assert main(words) == 0
    assert widest(capsys.readouterr().out) <= width


@pytest.mark.parametrize("words", [["status"], ["compare"], ["compare", "--all"], ["table1"]])
def test_tables_of_records_fit(capsys, width, recorded, words):
    main([*words, "--profile", "paper", "--out", str(recorded)])
    text = capsys.readouterr().out.partition("Written:")[0]
    table = text[text.index("Late fusion (Table 1)") :] if words == ["table1"] else text
    assert widest(table) <= width
    if words != ["status"]:
        numbers = re.findall(r"\d+\.\d\d ± \d+\.\d\d", table)
        assert len(numbers) >= 2 * 3 and "…" not in table, "no number is cut"


def test_without_a_terminal_lines_have_80_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    code = "from benchmarks.terminal import columns; print(columns())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "80\n"


def test_a_table_wraps_words_and_keeps_numbers_whole(width):
    text = terminal.grid(["method", "ours", "why"], WIDE_ROWS, "lrw")
    assert widest(text) <= width and "74.10 ± 0.10 (3)" in text
    assert text.count("words") == 30 and "\x1b" not in text


def test_long_lines_wrap_below_their_beginning():
    text = terminal.fitted("short\n  " + "word " * 40)
    first, *others = text.splitlines()[1:]
    assert first.startswith("  word") and others
    assert all(line.startswith("    word") for line in others)


def test_definitions_have_one_column_of_texts():
    lines = terminal.definitions({"a": "x " * 60, "longer": "y", "n" * 40: "z"})
    starts = {len(line) - len(line.lstrip(" a")) for line in lines if "x" in line}
    assert len(starts) == 1 and any(line == "  " + "n" * 40 for line in lines)
    (short,) = [line for line in lines if "longer" in line]
    assert short.index("y") == starts.pop()


def in_a_terminal(*words: str, **variables: str) -> str:
    """What a call prints where its output is a terminal."""
    ours, theirs = pty.openpty()
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    environment = {**kept, "TERM": "xterm-256color", "COLUMNS": "100", **variables}
    call = [sys.executable, "-m", "benchmarks", *words]
    with subprocess.Popen(call, cwd=ROOT, env=environment, stdout=theirs) as process:
        os.close(theirs)
        parts = []
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            parts.append(part)
    os.close(ours)
    assert process.returncode == 0
    return b"".join(parts).decode().replace("\r\n", "\n")


@pytest.mark.parametrize("words", [["--help"], ["list"], ["list", "msam"], ["help", "run"]])
def test_a_terminal_has_colours_and_the_same_words(capsys, monkeypatch, words):
    coloured = in_a_terminal(*words)
    assert CODES.search(coloured)
    monkeypatch.setenv("COLUMNS", "100")
    main(words)
    assert CODES.sub("", coloured) == capsys.readouterr().out


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_refused(variables):
    assert "\x1b" not in in_a_terminal("list", "msam", **variables)


def test_published_records_are_shown_in_a_fresh_clone(capsys, tmp_path, width):
    """Without data; and the profile `pilot` gets no verdict, which is said with the reason."""
    for folder in ("runs", "predictions"):
        (tmp_path / folder).symlink_to(ROOT / "results" / "pilot" / folder)
    main(["compare", "--profile", "pilot", "--out", str(tmp_path)])
    text = capsys.readouterr().out
    assert "Nothing was compared" in text and "NOT THE PAPER'S SCHEDULE" in text
    assert widest(text) <= width and len(text.splitlines()) < 60
    (fused,) = re.findall(r"^M-SAM .*74\.08$", text, re.MULTILINE)
    assert len(fused.split()) == 1 + 2 * 3, "ours and the paper's, three times"
    assert "acc_" not in text and "avmnist" not in text.partition("--all")[0]


def test_figures_without_points_are_one_line_or_all_named(capsys, tmp_path):
    words = ["figures", "--profile", "pilot", "--out", str(tmp_path)]
    assert main(words) == 0
    brief = capsys.readouterr().out
    assert "figures not drawn" in brief and len(brief.splitlines()) <= 4
    assert main([*words, "--verbose"]) == 0
    named = capsys.readouterr().out
    (counted,) = [line for line in brief.splitlines() if "figures not drawn" in line]
    assert named.count("not drawn: ") == int(counted.split()[0])


def test_every_committed_profile_with_records_is_named_by_status(capsys):
    main(["status"])
    out = " ".join(capsys.readouterr().out.split())  # long lines wrap
    for name in load_config().profiles:
        there = any((ROOT / "results" / name / "runs").glob("*.json"))
        assert (f"compare --profile {name}" in out) == there
