"""The verb `data`: its words, its lines and the file that an audit writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.cli import data
from benchmarks.configs.load import load_config
from datasets import registry
from datasets.audit.findings import Finding

ROOT = Path(__file__).parents[3]
DATASETS = list(load_config().datasets)
TRAIN = "1001_DFA_ANG_XX,ANG\n1002_DFA_SAD_XX,SAD\n"
TEST = "1001_DFA_SAD_XX,SAD\n1003_DFA_SAD_XX,SAD\n"
LEAK = "1 in train and test, of 3 in all; 1 of 2 test samples have one"


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Split lists of CREMA-D that share one actor."""
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "train.csv").write_text(TRAIN)
    (folder / "test.csv").write_text(TEST)
    return folder


def text_of(capsys: pytest.CaptureFixture, *words: str) -> str:
    assert main(["data", *words]) == 0
    return capsys.readouterr().out


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def error_of(capsys: pytest.CaptureFixture, *words: str) -> str:
    """The one error line of a call that must exit with 2."""
    assert main(["data", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


def test_an_audit_prints_the_worst_first_and_counts(capsys, lists: Path) -> None:
    lines = text_of(capsys, "audit", "cremad", "--raw", str(lists)).splitlines()
    severities = [line[2:13].strip() for line in lines[1:] if line[2] != " "]
    order = [data.SEVERITIES.index(severity) for severity in severities]
    assert order == sorted(order) and severities[0] == "leak"
    counts = {s: severities.count(s) for s in data.SEVERITIES}
    assert lines[0] == "CREMA-D: " + ", ".join(f"{n} {s}" for s, n in counts.items())
    assert LEAK in unwrapped("\n".join(lines))
    assert all(len(line) <= 80 for line in lines)


def test_an_audit_writes_the_same_file_twice(capsys, lists: Path, tmp_path: Path) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file in files:
        assert str(file) in text_of(capsys, "audit", "--raw", str(lists), "--out", str(file))
    assert files[0].read_bytes() == files[1].read_bytes()
    written = json.loads(files[0].read_text())
    assert list(written["findings"]) == DATASETS
    (actors,) = [
        one
        for one in written["findings"]["cremad"]
        if one["check"] == "actors" and "validation" in one["protocols"]
    ]
    assert actors["severity"] == "leak"
    assert actors["numbers"]["shared"]["train and test"] == 1


def test_raw_files_are_also_found_where_no_word_names_them(
    capsys, lists: Path, data_dir: Path, monkeypatch
) -> None:
    monkeypatch.setenv("MSAM_RAW_DIR", str(lists))
    assert LEAK in unwrapped(text_of(capsys, "audit", "cremad"))
    monkeypatch.delenv("MSAM_RAW_DIR")
    assert "0 leak" in text_of(capsys, "audit", "cremad")
    home = lists.parent / "home"
    (home / "raw").mkdir(parents=True)
    lists.rename(home / "raw" / "cremad")
    monkeypatch.setenv("MSAM_DATA_DIR", str(home))
    assert LEAK in unwrapped(text_of(capsys, "audit", "cremad"))


def test_damaged_files_and_wrong_words_are_one_line(capsys, lists: Path, tmp_path: Path) -> None:
    (lists / "test.csv").write_text("1001_DFA_SAD_XX,HAP\n")
    assert "label HAP" in error_of(capsys, "audit", "cremad", "--raw", str(lists))
    assert "there is no" in error_of(capsys, "audit", "ave", "--raw", str(tmp_path / "gone"))
    assert "'cremad'" in error_of(capsys, "audit", "cremda")
    assert "'audit'" in error_of(capsys, "audti")
    assert "data status writes no file" in error_of(capsys, "status", "--out", "file")
    assert "one at a time" in error_of(capsys, "prepare", "avmnist", "ave")
    assert str(tmp_path) in error_of(capsys, "audit", "urfunny", "--out", str(tmp_path))


def test_an_audit_needs_no_torch(lists: Path) -> None:
    code = (
        "import sys\nfrom benchmarks.__main__ import main\n"
        f"main(['data', 'audit', '--raw', {str(lists)!r}])\n"
        "sys.exit(', '.join({'torch', 'scipy', 'pandas'} & set(sys.modules)) or 0)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_long_finding_is_wrapped_under_its_text() -> None:
    finding = Finding("check", "not checked", "word " * 40, {}, ("validation", "published"))
    first, *others = data.audited("Data", [finding]).splitlines()[1:]
    assert first.startswith("  not checked check (validation, published): word")
    assert others and all(line.startswith(" " * 14 + "word") for line in others)


def test_sources_fit_a_terminal_and_leave_nothing_out(capsys) -> None:
    text = text_of(capsys, "sources")
    lines = [line for line in text.splitlines() if "://" not in line]  # addresses stay whole
    assert all(len(line) <= 80 for line in lines)
    for source in (s for loader in registry.LOADERS.values() for s in loader.sources):
        assert all(url in text for url in source.urls)
        assert source.sha256 is None or source.sha256 in text
    for name in DATASETS:
        assert f"./reproduce.sh data prepare {name}" in text


def test_sources_of_one_dataset_say_who_fetches_them(capsys) -> None:
    text = text_of(capsys, "sources", "cremad")
    assert "on consent" in text and "data prepare cremad --accept-licence" in text
    assert "humor.pkl" not in text and "other versions" not in text
    text = text_of(capsys, "sources", "avmnist")
    assert "by hand" not in text and "on consent" not in text and "9,912,422 bytes" in text
    assert text.index("not read") < text.index("avmnist.tar.gz")


def test_consent_and_mirror_are_for_prepare(capsys) -> None:
    for words in (["--accept-licence"], ["--mirror", "http://127.0.0.1:9"]):
        assert "data sources downloads nothing" in error_of(capsys, "sources", *words)


def test_cremad_without_consent_is_one_line_with_the_licence(capsys, data_dir: Path) -> None:
    error = error_of(capsys, "prepare", "cremad")
    assert "ODbL" in error and "--accept-licence" in error


def test_status_says_sizes_and_protocols(capsys, data_dir: Path) -> None:
    text = unwrapped(text_of(capsys, "status"))
    for name in registry.LOADERS:
        assert f"{name} protocols {', '.join(registry.protocols(name))}" in text
    manifest = registry.LOADERS["avmnist"].manifest(data_dir / "stand-in" / "avmnist")
    size = f"{manifest.total_bytes() / 1e6:,.1f} MB"
    assert f"stand-in data, {size} on disk, {size} on the device" in text


def test_status_of_one_dataset_is_of_it_alone(capsys) -> None:
    shown = {name for name in DATASETS if f"  {name} " in text_of(capsys, "status", "ave")}
    assert shown == {"ave"}
    assert "'cremad'" in error_of(capsys, "status", "cremda")


def test_a_loader_may_take_less_memory_than_disk(capsys, monkeypatch) -> None:
    cls = type(registry.LOADERS["avmnist"])
    monkeypatch.setattr(cls, "device_bytes", lambda self, manifest, options: 1_234_500_000)
    assert "1,234.5 MB on the device" in unwrapped(text_of(capsys, "status"))
