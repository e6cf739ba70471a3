"""The paper's printed numbers, and the names of a table's columns."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from benchmarks.configs.schema import DatasetConfig

FOLDER = Path(__file__).resolve().parents[3] / "results" / "printed"
PAPER_PROFILE = "paper"  # the profile that trains as the paper did
MISSING = ".."  # how the paper prints a cell that it does not have

PaperTable = Mapping[tuple[str, str], float]  # (row, column) -> percent, for printed cells only


def metrics(dataset: DatasetConfig) -> tuple[str, ...]:
    """The dataset's columns in the paper's order: each modality, then the fused accuracy."""
    return (*(f"acc_{modality}" for modality in dataset.modalities), "acc_mm")


def column_name(dataset: str, metric: str) -> str:
    """The name of a column in the CSV files, such as `avmnist:acc_audio`."""
    return f"{dataset}:{metric}"


def short_name(column: str) -> str:
    """`audio` for the column `avmnist:acc_audio`."""
    return column.partition(":")[2].removeprefix("acc_")


def load_paper(suite: str, folder: Path = FOLDER) -> PaperTable:
    """What the paper prints for a suite; nothing for a suite that the paper does not have.

    Raises FileNotFoundError without the folder, since all verdicts need it; ValueError naming a
    damaged file.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"the paper's tables are not in {folder}")
    path = folder / f"{suite}.csv"
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        return {
            (row["row"], column): _percent(value)
            for row in rows
            for column, value in row.items()
            if column != "row" and value != MISSING
        }
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise ValueError(f"{path} is not a table of the paper: {error!r}") from error


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise ValueError(f"{text} is not a percentage from 0 to 100")
    return value


def printed(percent: float) -> str:
    """A percentage as the tables print it."""
    return MISSING if math.isnan(percent) else f"{percent:.2f}"


@lru_cache(maxsize=1)
def test_sets() -> Mapping[str, int]:
    """Independent test samples per dataset: the most that the paper's numbers can rest on.

    The paper prints none; `test_sets.csv` says where each size is from, and `sizes.md` which sizes
    the printed digits fit.
    """
    with (FOLDER / "test_sets.csv").open(newline="", encoding="utf-8") as file:
        return {row["dataset"]: int(row["samples"]) for row in csv.DictReader(file)}
