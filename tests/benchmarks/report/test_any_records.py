"""Any mixture of records gives a report that claims nothing it cannot know."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from benchmarks.exit_status import Exit
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import RULES
from benchmarks.report.write import write_report
from tests.benchmarks.report.builders import PAPERS, READY, epoch, plan, record, request_of

SUITES = {name: plan(name, avmnist=READY) for name in PAPERS}
TESTS = st.dictionaries(
    st.sampled_from(["acc_audio", "acc_visual", "acc_mm"]),
    st.integers(0, 100).map(lambda n: n / 100),
    min_size=1,
).map(lambda test: {"acc_mm": 0.5, **test})
RECORDS = st.builds(
    record,
    st.sampled_from(SUITES["table1"]),
    st.integers(0, 3),
    status=st.sampled_from(["done", "diverged", "failed", "unsupported"]),
    reason=st.text(max_size=20),
    fingerprint=st.sampled_from(["print-a", "print-b", "print-c", ""]),
    stand_in=st.booleans(),
    history=st.lists(
        st.builds(epoch, st.integers(1, 9), st.floats(0, 1), TESTS),
        max_size=3,
        unique_by=lambda entry: entry["epoch"],
    ),
)


# Every example writes and syncs seven files: few of them, and no minutes of shrinking.
@settings(max_examples=15, phases=[Phase.generate])
@given(records=st.lists(RECORDS, max_size=12), rule=st.sampled_from(sorted(RULES)))
def test_any_mixture_of_records_gives_a_report(records: list[RunRecord], rule: str) -> None:
    with tempfile.TemporaryDirectory() as out:
        written = write_report(request_of(SUITES, records, selection=rule), Path(out))
        lines = pd.read_csv(Path(out) / "comparison.csv", keep_default_na=False)
    assert written.exit_status in (Exit.FINE, Exit.DIFFERS, Exit.UNDECIDED)
    assert len(lines) == 230  # see test_comparison_has_one_line_per_entry
    assert (lines.loc[lines["stand_in"] & (lines["n"] > 0), "verdict"] == "stand-in data").all()
    assert (lines.loc[lines["n"] < 2, "verdict"].isin(["reproduced", "differs"])).sum() == 0
