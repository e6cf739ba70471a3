"""Marked parts are written anew, the rest of a document stays, and a wrong marker is named."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.configs.load import load_config
from benchmarks.plan.suites import make_experiment
from benchmarks.records.files import write_text
from benchmarks.report.documents import blocks, measured, parts
from benchmarks.report.documents.blocks import documents, refreshed
from benchmarks.report.documents.settings import (
    grids,
    methods,
    profiles,
    published_counts,
    schedule_hours,
)
from tests.benchmarks.report.builders import READY, cell_of, epoch, plan, record
from tests.benchmarks.report.documents.test_answers import (
    compared,
    line_of_test,
    record_tests,
    write_lines,
)
from tests.committed import RESULTS


def test_a_quoted_table_is_that_below_its_heading(tmp_path: Path) -> None:
    text = "# T\n\n## A\n\n| a |\n|---|\n\n## B\n\nwords\n\n| b |\n|---|\n\n| c |\n"
    write_text(tmp_path / "results" / "t.md", text)
    before = "x\n<!-- results/t.md#B -->\n\nold\n\n<!-- end -->\ny\n"
    after = "x\n<!-- results/t.md#B -->\n\n| b |\n|---|\n\n<!-- end -->\ny\n"
    assert refreshed(before, tmp_path) == after
    assert refreshed(after, tmp_path) == after
    whole = refreshed("<!-- results/t.md -->\n<!-- end -->", tmp_path)
    assert whole == f"<!-- results/t.md -->\n\n{text}\n<!-- end -->"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("<!-- results/none.md -->\n<!-- end -->", "none.md"),
        ("<!-- results/t.md#C -->\n<!-- end -->", "'C'"),
        ("<!-- generated: anwers -->\n<!-- end -->", "answers"),
        ("<!-- generated: answers -->\n", "does not end"),
        ("<!-- generated: answers -->\n<!-- generated: state -->\n<!-- end -->", "another"),
        ("<!-- generated: tests pilot -->\n<!-- end -->", "tests pilot"),
    ],
)
def test_a_wrong_marker_is_named(tmp_path: Path, text: str, named: str) -> None:
    write_text(tmp_path / "results" / "t.md", "## A\n\n| a |\n|---|\n")
    with pytest.raises(ValueError, match=named):
        refreshed(text, tmp_path)


def test_every_kind_of_part_is_used_in_a_document() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in documents())
    assert all(f"<!-- generated: {name}" in texts for name in parts.GENERATED)


def test_the_command_writes_what_has_changed_and_names_it(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(blocks, "ROOT", tmp_path)
    monkeypatch.setattr(blocks, "documents", lambda: [tmp_path / "a.md", tmp_path / "b.md"])
    write_text(tmp_path / "a.md", "<!-- generated: profiles -->\n<!-- end -->\n")
    write_text(tmp_path / "b.md", "no part\n")
    assert blocks.main() == 0
    assert "| `paper` |" in (tmp_path / "a.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.split() == ["written:", "a.md"]
    assert blocks.main() == 0
    assert capsys.readouterr().out == ""


def test_the_state_says_what_fails_holds_and_is_unknown(tmp_path: Path) -> None:
    compared(tmp_path, {"reproduced": 226})
    record_tests(tmp_path, "paper", (0.1, False), (0.1, False))
    fails, holds, small, unknown, cost = parts.state(tmp_path).splitlines()
    assert small == "- **In small networks alone:** nothing."
    assert fails.startswith("- **Found false or unlikely:** Algorithm 1")
    assert "M-SAM is better than SAM (equivalent)" in fails
    assert holds.startswith("- **Found true or likely:** Tables 1 and 2 reproduce")
    assert "sound and image" in unknown
    assert "AVE 22 h" in cost and "UR-Funny not measured" in cost


def test_what_was_trained_is_read_from_the_records(tmp_path: Path) -> None:
    hour = run_of_an_hour("One CPU")
    for name in ("a", "b"):
        write_text(tmp_path / "pilot" / "runs" / f"{name}.json", hour)
    write_text(tmp_path / "forensics" / "runs" / "a.json", hour)
    never = json.dumps({"status": "unsupported", "environment": {"device": "X"}, "timing": {}})
    write_text(tmp_path / "pilot" / "runs" / "never.json", never)
    told = parts.trained(tmp_path)
    assert "2 runs on One CPU" in told and "2.0 h" in told and "Nothing has run on a GPU" in told
    assert "No run has the profile `paper`" in told
    write_text(tmp_path / "paper" / "runs" / "c.json", run_of_an_hour("NVIDIA X", cuda="13.0"))
    write_text(tmp_path / "paper" / "runs" / "never.json", never)
    told = parts.trained(tmp_path)
    assert "Some ran on a GPU" in told and "1 run has the profile `paper`" in told


def run_of_an_hour(device: str, **environment: str) -> str:
    facts = {"device": device, "threads": 1, **environment}
    return json.dumps({"status": "done", "environment": facts, "timing": {"seconds": 3600}})


def compared_row(
    row: str, metric: str, mean: str, paper: str = "", **others: str
) -> dict[str, str]:
    line = {"suite": "table1", "row": row, "dataset": "avmnist", "metric": metric, "mean": mean}
    line |= {"sd": "0.50", "n": "5", "paper": paper, "state": "done", "reason": ""}
    return line | others


def test_accuracies_stand_beside_the_papers(tmp_path: Path) -> None:
    gone = {"n": "0", "sd": "", "state": "not run", "reason": "unsupported (too short)"}
    lines = [
        compared_row("Single-audio", "acc_audio", "38.061", "39.61"),
        compared_row("SAM", "acc_audio", "30.0", "36.31"),
        compared_row("SAM", "acc_mm", "70.0", "73.17"),
        compared_row("MSES", "acc_mm", "", "70.68", **gone),
        compared_row("AGM", "acc_mm", "", "72.14", **{**gone, "reason": "data missing"}),
        compared_row("SAM", "acc_mm", "", "69.0", **gone, dataset="cremad"),
    ]
    write_lines(tmp_path / "pilot" / "tables" / "comparison.csv", lines)
    found = measured.accuracies(tmp_path, "pilot", "table1").splitlines()
    assert found[0] == "| AV-MNIST | audio | paper | fused | paper |"
    assert "| Single-audio | 38.06 ± 0.50 | 39.61 |  |  |" in found
    assert "| SAM | 30.00 ± 0.50 | 36.31 | 70.00 ± 0.50 | 73.17 |" in found
    assert "| MSES |  |  | not run | 70.68 |" in found
    assert "5 seeds" in found[-1] and "MSES: unsupported (too short)" in found[-1]
    assert "Not run: AGM." in found[-1] and not any("| AGM" in line for line in found)


def test_few_seeds_are_told_cell_by_cell_and_ours_have_no_paper(tmp_path: Path) -> None:
    lines = [
        compared_row("SAM", "acc_mm", "70.0"),
        compared_row("M-SAM", "acc_mm", "71.0", n="1", sd=""),
    ]
    write_lines(tmp_path / "pilot" / "tables" / "comparison.csv", lines)
    found = measured.accuracies(tmp_path, "pilot", "table1")
    assert "| AV-MNIST | fused |" in found and "| M-SAM | 71.00 (1) |" in found


def test_every_row_stands_beside_every_reference(tmp_path: Path) -> None:
    """A row minus the reference: the file has it the other way round."""
    record_tests(tmp_path, "pilot", (0.9, True), (-0.1, False))
    late = measured.differences(tmp_path, "pilot", "table1").splitlines()
    order = ["row minus Joint-Train", "row minus SAM", "row minus M-SAM"]
    assert late[0] == f"| AV-MNIST, fused | {' | '.join(order)} |"
    assert "| SAM | **-0.90 (-1.40 to -0.40)** |  | **-0.90 (-1.40 to -0.40)** |" in late
    early = measured.differences(tmp_path, "pilot", "table2")
    assert "| SAM | +0.10 (-0.40 to +0.60) |" in early


def test_paired_tests_are_told_by_their_outcome(tmp_path: Path) -> None:
    record_tests(tmp_path, "pilot", (0.9, True), (-0.1, False))
    late = measured.paired_tests(tmp_path, "pilot", "table1")
    for reference in ("Joint-Train", "M-SAM"):
        assert f"against {reference}: significantly below: SAM." in late
    early = measured.paired_tests(tmp_path, "pilot", "table2")
    assert "against M-SAM: no significant difference: SAM." in early
    assert measured.paired_tests(tmp_path, "pilot", "controls") == "No rows to compare."


def test_rows_equivalent_to_msam_are_told_with_their_margin(tmp_path: Path) -> None:
    record_tests(tmp_path, "pilot", (0.9, True), (-0.1, False))
    late = measured.equivalence(tmp_path, "pilot", "table1")
    assert "none" in late and "Not shown for: SAM." in late
    assert "SAM (0.55)" in measured.equivalence(tmp_path, "pilot", "table2")


def test_every_dataset_has_its_own_tests(tmp_path: Path) -> None:
    lines = [
        line_of_test("table1", f"{dataset}:acc_mm", "M-SAM", "SAM", shift, False)
        for dataset, shift in (("avmnist", 0.2), ("cremad", 3.0))
    ]
    write_lines(tmp_path / "pilot" / "tables" / "significance.csv", lines)
    tables = measured.differences(tmp_path, "pilot", "table1").split("\n\n")
    assert ["-0.20" in tables[0], "-3.00" in tables[1]] == [True, True]
    assert "CREMA-D" in tables[1]
    assert "CREMA-D, against M-SAM" in measured.paired_tests(tmp_path, "pilot", "table1")
    assert "AV-MNIST, equivalent" in (told := measured.equivalence(tmp_path, "pilot", "table1"))
    assert told.index("SAM (0.65)") < told.index("CREMA-D") < told.index("Not shown for: SAM")


def test_rows_with_wrong_labels_stand_beside_their_own_reference(tmp_path: Path) -> None:
    lines = [
        line_of_test("noise", "avmnist:acc_mm", f"M-SAM{wrong}", f"SAM{wrong}", shift, False)
        for wrong, shift in (("", 0.2), (", 20 % wrong", 0.3))
    ]
    write_lines(tmp_path / "pilot" / "tables" / "significance.csv", lines)
    found = measured.differences(tmp_path, "pilot", "noise").splitlines()
    assert "| SAM |  |  | -0.20 (-0.70 to +0.30) |" in found
    assert "| SAM, 20 % wrong |  |  | -0.30 (-0.80 to +0.20) |" in found


def test_what_small_networks_show_stays_unknown_at_the_papers_scale(tmp_path: Path) -> None:
    record_tests(tmp_path, "pilot", (0.1, False), (0.1, False))
    lines = {line.partition(":**")[0]: line for line in parts.state(tmp_path).splitlines()}
    told = lines["- **In small networks alone"]
    assert "M-SAM is better than SAM: equivalent; a method beats Joint-Train: not by" in told
    assert "M-SAM is better than SAM, at the paper's scale" in lines["- **Open"]
    assert "| **equivalent**, in small networks |" in parts.answer_table(tmp_path)


def test_moved_runs_are_those_that_both_processors_trained(tmp_path: Path) -> None:
    assert measured.processors(tmp_path) == "Not measured."
    cells = plan("table1", avmnist=READY)
    for folder, shift in (("pilot", 0.0), ("pilot_avx2", 0.004)):
        for seed, accuracy in enumerate((0.7, 0.71)):
            moved = accuracy + (shift if seed else -shift / 2)
            run = record(cell_of(cells, "SAM"), seed, history=[epoch(1, 0.5, {"acc_mm": moved})])
            run.save(tmp_path / folder / "runs" / f"{run.run_id}.json")
    only_one = record(cell_of(cells, "M-SAM"), 0, history=[epoch(1, 0.5, {"acc_mm": 0.1})])
    only_one.save(tmp_path / "pilot" / "runs" / f"{only_one.run_id}.json")
    for folder, code in (("pilot", "a"), ("pilot_avx2", "b")):
        other = record(cell_of(cells, "AGM"), 0, history=[epoch(1, 0.5, {"acc_mm": 0.2})])
        other = replace(other, code={"method": code})
        other.save(tmp_path / folder / "runs" / f"{other.run_id}.json")
    told = measured.processors(tmp_path)
    assert "2 runs" in told and "move by 0.30 points" in told
    assert "0.40 at most" in told and "by +0.10" in told


def test_ties_are_the_rows_of_rank_1(tmp_path: Path) -> None:
    rows = {"M-SAM": "1", "SAM": "1", "AGM": "3", "MSES": ""}
    lines = [
        {"suite": "table1", "metric": metric, "dataset": "avmnist", "row": row, "rank": rank}
        for row, rank in rows.items()
        for metric in ("acc_mm", "acc_audio")
    ]
    write_lines(tmp_path / "pilot" / "tables" / "comparison.csv", lines)
    told = measured.ties(tmp_path, "pilot", "table1")
    assert "of 3 ranked rows, M-SAM, SAM share the first rank" in told
    assert measured.ties(tmp_path, "pilot", "table2") == "No ranks."


def test_the_spread_is_that_of_the_fused_accuracies(tmp_path: Path) -> None:
    line = {"suite": "controls", "metric": "acc_mm", "dataset": "avmnist", "mean": 70.0}
    line |= {"wilson_low": 69.0, "wilson_high": 71.0}
    lines = [line, line | {"mean": 70.5}, line | {"metric": "acc_audio", "mean": 20.0}]
    write_lines(tmp_path / "pilot" / "tables" / "comparison.csv", lines)
    told = measured.spread(tmp_path, "pilot", "controls")
    assert "2 fused accuracies on AV-MNIST lie between 70.00 % and 70.50 %" in told
    assert "2.00 points wide" in told


def test_five_commands_have_a_price() -> None:
    lines = [line for line in parts.try_it(RESULTS).splitlines() if "./reproduce.sh" in line]
    assert len(lines) == 5
    price = re.compile(r"#.*: (seconds|[\d,.]*[1-9][\d,.]* (h|min|MB))")
    assert all(price.search(line) for line in lines)


def test_every_profile_and_every_method_has_a_row() -> None:
    config = load_config()
    assert all(f"| `{name}` |" in profiles() for name in config.profiles)
    assert all(f"| {method.label} |" in grids() for method in config.methods.values())
    assert all(f"| `{name}` |" in methods() for name in config.methods)


def test_a_run_of_one_modality_evaluates_that_alone() -> None:
    config = load_config()
    run = make_experiment(
        config,
        config.profiles["paper"],
        dataset="avmnist",
        fusion="late",
        method="joint_train",
        modalities=["audio"],
    )
    assert published_counts(run).evaluated == {"audio": 2_000}
    both = published_counts(replace(run, modalities=()))
    assert set(both.evaluated) == {"audio", "visual"}


def test_hours_are_known_where_the_network_was_timed() -> None:
    assert schedule_hours("urfunny", "table1") is None
    late, early = (schedule_hours("ave", suite) for suite in ("table1", "table2"))
    assert late > early > 0
