"""The three formats of a table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.report.comparison import wide_frame
from benchmarks.report.dataframes import write_csv
from benchmarks.report.page.tables import table_view
from benchmarks.report.tables import latex
from benchmarks.report.tables import markdown as text
from benchmarks.report.tables.paper import FOLDER
from benchmarks.report.tables.table import Table
from tests.benchmarks.report.builders import READY, cell_of, csv_lines, plan, record, runs, table

CELLS = plan(avmnist=READY)
MSAM, SAM = cell_of(CELLS, "M-SAM"), cell_of(CELLS, "SAM")
FILLED = table(CELLS, [*runs(MSAM, 74.0, 74.1, 74.2), *runs(SAM, 73.0, 73.5, 73.25)])
AHEAD = [60.0, 60.1, 60.2, 60.1, 60.0]  # of rows that are ranked: five seeds
BEHIND = [50.0, 50.1, 50.2, 50.1, 50.0]
RANKED = table(CELLS, [*runs(MSAM, *AHEAD), *runs(SAM, *BEHIND)], seeds=5)


def markdown(filled: Table) -> str:
    return text.render(filled, text.MARKDOWN)


def row(page: str, label: str) -> list[str]:
    """The cells of the first line of a Markdown table that begins with `label`."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_csv_has_the_shape_and_the_names_of_the_papers(tmp_path: Path) -> None:
    write_csv(wide_frame(FILLED), tmp_path / "table1.csv")
    ours, paper = (
        pd.read_csv(folder / "table1.csv", index_col="row", na_values="..")
        for folder in (tmp_path, FOLDER)
    )
    assert list(ours.index) == list(paper.index)
    assert list(ours.columns) == list(paper.columns)
    assert ours.loc["M-SAM", "avmnist:acc_mm"] == 74.10
    assert (ours - paper).loc["SAM", "avmnist:acc_mm"].round(2) == 0.08
    assert int(ours.notna().sum().sum()) == 6


def test_stand_in_data_adds_a_column_to_the_csv(tmp_path: Path) -> None:
    filled = table(CELLS, runs(MSAM, 74.0, stand_in=True))
    write_csv(wide_frame(filled), tmp_path / "table1.csv")
    assert csv_lines(tmp_path / "table1.csv")[0].endswith(",stand_in")
    assert csv_lines(tmp_path / "table1.csv")[-1].endswith(",avmnist")


def test_markdown_shows_ours_beside_the_papers() -> None:
    cells = row(markdown(FILLED), "M-SAM")
    assert cells[-2:] == [r"74.10 ± 0.10 \[73.85, 74.35] (3)", "= 74.08"]
    assert row(markdown(FILLED), "SAM")[-2:] == [r"73.25 ± 0.25 \[72.63, 73.87] (3) ↓", "= 73.17"]
    assert row(markdown(FILLED), "Single-audio")[-2:] == ["..", ".."]


def bold(page: str, *labels: str) -> list[bool]:
    """Whether our fused number of each row is bold."""
    return ["**" in row(page, label)[-2] for label in labels]


def test_the_first_rank_is_bold_also_when_shared() -> None:
    assert bold(markdown(RANKED), "M-SAM", "SAM") == [True, False]
    assert "Bold: rank 1 of its column;" in markdown(RANKED)
    assert "M-SAM is significantly better than 1 of 1 rows" in markdown(RANKED)
    tied = AHEAD[::-2] + AHEAD[1::2]
    page = markdown(table(CELLS, [*runs(MSAM, *AHEAD), *runs(SAM, *tied)], seeds=5))
    assert bold(page, "M-SAM", "SAM") == [True, True]
    assert "No row is significantly better than another" in page


def test_a_row_that_ties_with_the_best_is_marked() -> None:
    near = [60.1, 60.0, 60.1, 60.2, 59.9]
    agm = cell_of(CELLS, "AGM")
    filled = table(CELLS, [*runs(MSAM, *AHEAD), *runs(SAM, *near), *runs(agm, *BEHIND)], seeds=5)
    page = markdown(filled)
    assert bold(page, "M-SAM", "SAM", "AGM") == [True, True, False]
    marked = {label: "≈" in row(page, label)[-2] for label in ("M-SAM", "SAM", "AGM")}
    assert marked == {"M-SAM": False, "SAM": True, "AGM": False}
    assert "≈: tied with the best mean" in page
    assert r"$\approx$" in latex.render(filled)
    assert "≈" not in markdown(RANKED)


def test_a_part_of_a_table_hides_the_tests_of_hidden_rows() -> None:
    """SAM shares the first rank with a row that is not shown."""
    near = [60.1, 60.0, 60.1, 60.2, 59.9]
    filled = table(CELLS, [*runs(MSAM, *AHEAD), *runs(SAM, *near)], seeds=5)
    part = filled.only(lambda entry: entry.row == "SAM")
    assert part.rank("SAM", "avmnist:acc_mm") == 1 and "M-SAM" not in "".join(part.rows())
    assert {c.second.row for c in part.contrasts} == {"SAM"}
    assert bold(markdown(part), "SAM") == [True]


def test_equal_means_are_ties_of_which_none_is_lower() -> None:
    again = AHEAD[::-2] + AHEAD[1::2]
    page = markdown(table(CELLS, [*runs(MSAM, *AHEAD), *runs(SAM, *again)], seeds=5))
    assert bold(page, "M-SAM", "SAM") == [True, True] and "≈" not in page


def test_late_and_early_rows_of_a_table_compete_apart() -> None:
    cells = plan("extended", avmnist=READY)
    values = {"SAM": AHEAD, "M-SAM": BEHIND}
    values |= {"SAM, early": [x - 20 for x in BEHIND], "M-SAM, early": [x - 20 for x in AHEAD]}
    made = [r for label, each in values.items() for r in runs(cell_of(cells, label), *each)]
    filled = table(cells, made, suite="extended", seeds=5)
    page = markdown(filled)
    assert bold(page, *values) == [True, False, False, True]
    assert "rank 1 of its column among rows of the same fusion;" in page
    assert "avmnist:acc_mm (early fusion)" in " ".join(filled.rank_sentences())
    compared = {(c.first.row, c.second.row) for c in filled.against_subject.values()}
    assert compared == {("M-SAM", "SAM"), ("M-SAM, early", "SAM, early")}


def test_a_table_of_ours_has_no_column_for_the_paper() -> None:
    cells = plan("controls", avmnist=READY)
    filled = table(cells, runs(cell_of(cells, "M-SAM"), *AHEAD), suite="controls", seeds=5)
    assert row(markdown(filled), "method") == ["method", "audio", "visual", "mm"]
    assert row(markdown(RANKED), "method").count("paper") == 3
    beside = [r"\quad paper" in latex.render(each) for each in (RANKED, filled)]
    assert beside == [table_view(each).printed for each in (RANKED, filled)] == [True, False]


def test_nothing_is_bold_without_a_test() -> None:
    """With fewer seeds, one row, or generated data."""
    few = table(CELLS, [*runs(MSAM, *AHEAD[:3]), *runs(SAM, *BEHIND[:3])])
    alone = table(CELLS, runs(SAM, *AHEAD), seeds=5)
    generated = [*runs(SAM, *AHEAD, stand_in=True), *runs(MSAM, *BEHIND)]
    for filled in (few, alone, table(CELLS, generated, seeds=5)):
        assert "**" not in "".join(row(markdown(filled), "SAM"))
        assert "Bold" not in markdown(filled)
    assert "no ranks: ranks need 5 common seeds, not 3" in markdown(few)


def test_rows_compete_with_rows_of_as_many_wrong_labels() -> None:
    cells = plan("noise", avmnist=READY)
    values = {"SAM": AHEAD, "M-SAM": BEHIND}
    values |= {"SAM, 40 % wrong": [x - 20 for x in BEHIND]}
    values |= {"M-SAM, 40 % wrong": [x - 20 for x in AHEAD]}
    made = [r for label, each in values.items() for r in runs(cell_of(cells, label), *each)]
    page = markdown(table(cells, made, suite="noise", seeds=5))
    assert bold(page, *values) == [True, False, False, True]
    assert "rank 1 of its column among rows with as many wrong labels;" in page


def test_reasons_of_missing_cells_are_footnotes() -> None:
    page = markdown(FILLED)
    assert row(page, "Joint-Train")[1] == "no record yet"
    assert page.count("data missing") == 1
    assert r"- \[1] data missing" in page
    assert r"not run \[1]" in page


def test_a_diverged_run_is_a_footnote_of_its_number() -> None:
    bad = record(SAM, 1, status="diverged", reason="epoch 3: loss | nan_")
    page = markdown(table(CELLS, [record(SAM, 0, 73.0), bad]))
    assert row(page, "SAM")[-2] == r"73.00 (1) \[1]"
    assert r"\[1] diverged (seed 1, epoch 3: loss \| nan\_); 1 of 3" in page


def test_stand_in_data_is_the_first_line() -> None:
    filled = table(CELLS, runs(MSAM, 74.0, stand_in=True))
    assert markdown(filled).startswith("> **STAND-IN DATA: our numbers come from generated data")
    assert text.render(filled, text.TERMINAL).startswith("!!! STAND-IN DATA")
    assert r"\caption{STAND-IN DATA" in latex.render(filled)
    assert "†" not in markdown(filled)


def test_single_stand_in_cells_are_marked() -> None:
    page = markdown(table(CELLS, [*runs(SAM, 73.0, stand_in=True), *runs(MSAM, 74.0)]))
    assert "our numbers marked † (AV-MNIST)" in page
    assert row(page, "SAM")[-2].startswith("73.00 (1)†")
    assert "†" not in row(page, "M-SAM")[-2]


def test_the_page_says_rule_seeds_profile_and_counts() -> None:
    page = markdown(FILLED)
    assert "Reported epoch: val-best. Seeds: 0, 1, 2. Profile: paper (real data" in page
    assert "3 reproduced" not in page
    assert "2 reproduced" in page
    oracle = table(CELLS, runs(MSAM, 74.0), "test-oracle")
    assert markdown(oracle).startswith("> **TEST-ORACLE SELECTION")


def test_the_terminal_keeps_datasets_without_numbers_short() -> None:
    page = text.render(FILLED, text.TERMINAL)
    assert "AVE: not run: data missing (12 rows)" in page
    assert "74.10 ± 0.10 (3)" in page
    assert "60.08 ± 0.08 (5)*" in text.render(RANKED, text.TERMINAL)


def legend(page: str) -> str:
    """What stands below the numbers."""
    return page[page.rindex("Accuracy in percent.") :]


def test_the_legend_explains_the_marks_that_occur_and_no_others() -> None:
    single = cell_of(CELLS, "Single-audio")  # 39.61 in the paper
    below = legend(markdown(table(CELLS, runs(single, 39.5, 39.6, 39.7))))
    assert "= reproduced (margin 1 point" in below and not {"?", "≠"} & set(below)
    assert "≠ differs (margin" in legend(markdown(FILLED))
    assert "± standard deviation" in below and "in brackets the 95 % t interval" in below
    assert "Bold" not in below and "significantly" not in below
    below = legend(markdown(table(CELLS, runs(SAM, 73.0))))
    assert not {"=", "?", "≠", "±"} & set(below) and "brackets" not in below
    assert "mean over seeds (number of seeds)" in below
    empty = legend(markdown(table(CELLS, [])))
    assert "Ours" not in empty and "Paper: as printed." in empty
    generated = legend(markdown(table([SAM], runs(SAM, 73.0, stand_in=True))))
    assert "Bold" not in generated


def test_the_terminal_explains_what_it_shows_and_no_more() -> None:
    page = text.render(FILLED, text.TERMINAL)
    assert "brackets" not in page and "*: rank 1" not in page
    assert "*: rank 1 of its column;" in text.render(RANKED, text.TERMINAL)
    assert "data missing" not in legend(page) and "[1]" not in page, "said in the datasets' lines"
    assert "*" not in text.render(table(CELLS, []), text.TERMINAL)


def test_one_row_is_no_rows() -> None:
    one = cell_of(plan(), "SAM", "ave")
    page = text.render(table([one, *CELLS], runs(SAM, 73.0)), text.TERMINAL)
    assert "(1 row)" not in page and "(12 rows)" in page
    assert "(1 row)" in text.render(table([one, SAM], runs(SAM, 73.0)), text.TERMINAL)


def test_every_latex_line_has_all_columns() -> None:
    page = latex.render(FILLED)
    body = page.split(r"\midrule")[1].split(r"\bottomrule")[0]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 2 * 13 + 2  # two rows have an interval
    assert r"\quad 95\,\% interval" in page and " & [73.85, 74.35] &" in page
    assert {line.count(" & ") for line in lines} == {13}
    assert r"74.10 $\pm$ 0.10 (3)" in page and r"\textbf" not in page
    assert r"\textbf{60.08 $\pm$ 0.08 (5)}" in latex.render(RANKED)
    assert "= 74.08" in page
    assert page.count("{") == page.count("}")


def test_latex_prints_special_characters_as_they_are() -> None:
    assert latex.escape(r"50% & a_b #1 {x} $ ~ ^ \ <") == (
        r"50\% \& a\_b \#1 \{x\} \$ \textasciitilde{} \textasciicircum{} \textbackslash{} "
        r"\textless{}"
    )
    assert latex.escape("± ≠ †") == r"$\pm$ $\neq$ $^{\dagger}$"
