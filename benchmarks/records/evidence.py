"""What the records say of one cell: which runs count, and what became of the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.plan.suites import Cell
from benchmarks.records.record import RunRecord

DONE = "done"
NOT_RUN = "not run"
NO_RECORD = "no record yet"

LOST = {"diverged", "failed"}  # statuses of runs that were started and have no result
NEVER_STARTED = {"unsupported"}  # statuses of runs that were refused: more of them cannot help


@dataclass(frozen=True)
class Finding:
    """Why the records of a cell cannot be trusted: `kind` is the verdict, `text` says where."""

    kind: str
    text: str


@dataclass(frozen=True)
class Evidence:
    """The records of a cell that a report uses, in order of seeds.

    `findings` are those of `records/audit.py`.
    """

    cell: Cell
    records: tuple[RunRecord, ...]
    left_out: int  # records on other data than the present
    findings: tuple[Finding, ...] = ()

    @property
    def done(self) -> list[RunRecord]:
        """The runs that count."""
        return [r for r in self.records if r.status == DONE]

    @property
    def fingerprints(self) -> list[str]:
        """The different preparations of the data behind the runs that count."""
        return sorted({fingerprint_of(r) for r in self.done})

    @property
    def stand_in(self) -> bool:
        """True if the cell was, or is to be, filled from generated data."""
        planned = bool(self.cell.template.data.get("stand_in"))
        return planned or any(r.stand_in for r in self.records)

    @property
    def lost(self) -> bool:
        """True if a run was started and diverged or failed."""
        return any(r.status in LOST for r in self.records)

    @property
    def state(self) -> str:
        """`done`, `not run`, `no record yet`, or the statuses of the runs where none is done."""
        statuses = {r.status for r in self.records}
        if not statuses:
            return NOT_RUN if self.cell.reason else NO_RECORD
        if DONE in statuses:
            return DONE
        return NOT_RUN if statuses <= NEVER_STARTED else ", ".join(sorted(statuses))

    def notes(self) -> list[str]:
        """What a reader must know of the runs, including those that do not count."""
        notes = _endings(r for r in self.records if r.status != DONE)
        if not self.records and self.cell.reason:
            notes.append(self.cell.reason)
        if self.left_out:
            notes.append(f"runs on other data left out: {self.left_out}")
        if len(self.fingerprints) > 1:
            notes.append(f"mixed data (fingerprints {', '.join(self.fingerprints)})")
        return notes + [finding.text for finding in self.findings]


def evidence(cell: Cell, records: Iterable[RunRecord]) -> Evidence:
    """The evidence for `cell` among its own `records`.

    Where the data is prepared, only runs on it count, and the others are noted. Where it is not,
    as in a checkout of published records, all count, and mixtures are noted.
    """
    unique = {r.run_id: r for r in records}.values()
    ordered = sorted(unique, key=lambda r: (r.experiment.seed, r.run_id))
    present = cell.template.data.get("fingerprint")
    used = [r for r in ordered if present in (None, fingerprint_of(r))]
    return Evidence(cell, tuple(used), len(ordered) - len(used))


def evidence_of(cells: Iterable[Cell], records: Iterable[RunRecord]) -> list[Evidence]:
    """The evidence for each cell, in their order; records of other cells are ignored."""
    by_cell: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        by_cell[record.experiment.cell_id].append(record)
    return [evidence(cell, by_cell[cell.template.cell_id]) for cell in cells]


def fingerprint_of(record: RunRecord) -> str:
    """Names the preparation of the data that the run saw; `unknown` if the record does not."""
    known = record.data.get("fingerprint") or record.experiment.data.get("fingerprint")
    return str(known or "unknown")


def _endings(records: Iterable[RunRecord]) -> list[str]:
    """What became of runs that do not count; runs with the same reason share a sentence."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for record in records:
        ending = record.status, " ".join(record.reason.split())
        seeds.setdefault(ending, []).append(record.experiment.seed)
    return [
        f"{status} ({', '.join(filter(None, [seeds_text(which), reason]))})"
        for (status, reason), which in seeds.items()
    ]


def seeds_text(seeds: Sequence[int]) -> str:
    """`seed 1`, `seeds 0, 2`."""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
