"""`results/printed/*.csv` hold what the paper prints, under the names of the suites."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.configs.load import load_config
from benchmarks.report.tables.paper import FOLDER, column_name, load_paper, metrics

CONFIG = load_config()
COLUMNS = [
    column_name(dataset, metric)
    for dataset, settings in CONFIG.datasets.items()
    for metric in metrics(settings)
]


def printed(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"{name}.csv", index_col=0, na_values="..")


@pytest.mark.parametrize(("name", "rows", "missing"), [("table1", 13, 34), ("table2", 7, 0)])
def test_every_cell_is_typed(name: str, rows: int, missing: int) -> None:
    # Table 1 prints 4, 4 and 1 cells of its Single rows, and nothing for OGM-GE on UR-Funny
    table = printed(name)
    assert table.shape == (rows, 13)
    assert int(table.isna().sum().sum()) == missing
    assert table.dtypes.eq("float64").all()


@pytest.mark.parametrize("name", ["table1", "table2"])
def test_rows_and_columns_are_those_of_the_suite(name: str) -> None:
    table = printed(name)
    assert list(table.index) == [row.label for row in CONFIG.suites[name].rows]
    assert list(table.columns) == COLUMNS


@pytest.mark.parametrize(
    ("name", "row", "column", "percent"),
    [
        ("table1", "Single-audio", "avmnist:acc_audio", 39.61),
        ("table1", "Single-visual", "ave:acc_visual", 64.58),
        ("table1", "Single-text", "urfunny:acc_text", 63.46),
        ("table1", "Joint-Train", "avmnist:acc_audio", 14.59),
        ("table1", "Joint-Train", "urfunny:acc_mm", 64.50),
        ("table1", "OGM-GE", "cremad:acc_visual", 58.90),
        ("table1", "MM-Pareto", "ave:acc_visual", 73.88),
        ("table1", "SAM", "cremad:acc_visual", 51.43),
        ("table1", "M-SAM", "avmnist:acc_mm", 74.08),
        ("table1", "M-SAM", "ave:acc_mm", 79.67),
        ("table2", "Joint-Train", "avmnist:acc_audio", 24.28),
        ("table2", "AGM", "urfunny:acc_audio", 64.88),
        ("table2", "Recon-Boost", "cremad:acc_mm", 66.74),
        ("table2", "M-SAM", "urfunny:acc_text", 65.24),
        ("table2", "M-SAM", "ave:acc_mm", 78.23),
    ],
)
def test_spot_values(name: str, row: str, column: str, percent: float) -> None:
    assert load_paper(name)[row, column] == percent


@pytest.mark.parametrize(
    ("name", "sums"),
    [
        ("table1", [720.41, 653.40, 596.56, 768.38]),
        ("table2", [509.93, 459.81, 465.74, 539.69]),
    ],
)
def test_sums_of_the_fused_columns(name: str, sums: list[float]) -> None:
    # added up from the paper's own columns: one wrong digit would show
    fused = [column for column in COLUMNS if column.endswith("acc_mm")]
    assert printed(name)[fused].sum().round(2).tolist() == sums


def test_a_single_row_prints_its_own_modality_only() -> None:
    single = {key for key in load_paper("table1") if key[0] == "Single-audio"}
    assert single == {("Single-audio", f"{dataset}:acc_audio") for dataset in CONFIG.datasets}


def test_the_datasets_as_printed() -> None:
    table = pd.read_csv(FOLDER / "table3.csv", thousands=",", index_col="dataset")
    assert table["samples"].to_dict() == {
        "UR-Funny": 16514, "CREMA-D": 7442, "AV-MNIST": 70000, "AVE": 4143
    }  # fmt: skip
    assert set(table.index) == {d.label for d in CONFIG.datasets.values()}
    assert table.loc["UR-Funny", "modalities"] == "{a, v, t}"
    assert list(table.columns) == ["field", "size", "modalities", "samples", "content"]


def test_a_suite_that_the_paper_lacks_has_no_values() -> None:
    assert load_paper("table9") == {}


def test_a_lost_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="the paper's tables"):
        load_paper("table1", tmp_path / "nowhere")
