"""The data frames of the report, and the one way to write them as CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.records.files import write_text
from benchmarks.report.wording import p_value

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, Callable[..., object]]  # name -> how to read it from an item

NUMBERS = "%.4f"  # percentages, differences and hours
P_VALUES = {"p", "p_holm", "equivalence_p", "differs_p"}  # columns with three significant digits


def frame(columns: Sequence[str], lines: Iterable[Sequence[object]]) -> pd.DataFrame:
    """The lines as a data frame."""
    import pandas as pd  # takes 0.4 s: verbs that train should not wait for it

    return pd.DataFrame([list(line) for line in lines], columns=[*columns])


def frame_of(columns: Columns, items: Iterable[tuple[object, ...]]) -> pd.DataFrame:
    """One line per item; an item is a tuple with the arguments of every reader in `columns`."""
    return frame([*columns], ([read(*item) for read in columns.values()] for item in items))


def write_csv(content: pd.DataFrame, path: Path, numbers: str | None = NUMBERS) -> Path:
    """Writes a frame without its index, empty where there is no number; returns `path`.

    `numbers` formats the columns of floats; None writes all their digits.
    """
    p_values = {name: content[name].map(p_value) for name in content if name in P_VALUES}
    text = content.assign(**p_values).to_csv(index=False, lineterminator="\n", float_format=numbers)
    write_text(path, text)
    return path
