"""What the figures of one suite are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from benchmarks.configs.load import lookup
from benchmarks.configs.schema import Config
from benchmarks.plan.suites import Cell
from benchmarks.records.evidence import Evidence, evidence_of
from benchmarks.records.record import RunRecord
from benchmarks.records.selection import RULES
from benchmarks.report.figures.figure import Figure, Panel
from benchmarks.report.figures.style import Look, looks
from benchmarks.report.metrics import metrics_frame
from benchmarks.report.tables.entry import Entry, make_entries
from benchmarks.report.wording import published_warning

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Material:
    """The evidence of a suite's cells and their numbers at the reported epoch."""

    config: Config
    profile_name: str
    suite: str
    selection: str
    looks: Mapping[str, Look]
    found: Sequence[Evidence]
    entries: Sequence[Entry]

    @property
    def datasets(self) -> list[str]:
        """The datasets of the cells, in column order."""
        present = {found.cell.dataset for found in self.found}
        return [dataset for dataset in self.config.datasets if dataset in present]

    @property
    def fusion(self) -> str:
        """`late fusion`."""
        return f"{self.config.suites[self.suite].fusion} fusion"

    def label(self, dataset: str) -> str:
        """The dataset's name as the tables print it."""
        return self.config.datasets[dataset].label

    def outputs(self, dataset: str) -> tuple[str, ...]:
        """The dataset's modalities, then `mm`."""
        return (*self.config.datasets[dataset].modalities, "mm")

    def figure(
        self,
        name: str,
        title: str,
        caption: str,
        points: Sequence[Any],
        paint: Callable[[Figure], Drawing],
        outputs: Sequence[Sequence[tuple[str, str]]],
        lacking: str,
    ) -> Figure:
        """A figure with a panel for each of `outputs`, (dataset, output), that has points.

        `lacking` says what the finished runs lack if there are any, but no points.
        """
        return Figure(
            name=f"{name}_{self.suite}",
            title=f"{title}, {self.fusion}",
            caption=" ".join(filter(None, [self._warning(points), caption, self._about()])),
            points=tuple(points),
            grid=self._grid(outputs, {(p.dataset, p.output) for p in points}),
            looks=self.looks,
            paint=paint,
            absent=self._absent({key[0] for line in outputs for key in line}, lacking),
        )

    def _grid(
        self, outputs: Sequence[Sequence[tuple[str, str]]], present: set[tuple[str, str]]
    ) -> list[list[Panel | None]]:
        """The panels that have points; lines and columns without any are left out."""
        lines = [line for line in outputs if present & set(line)]
        columns = [column for column in zip_longest(*lines) if present & set(column)]
        several = len({output for _, output in present}) > 1
        return [
            [self._panel(*key, several) if key in present else None for key in line]
            for line in zip(*columns, strict=True)
        ]

    def _panel(self, dataset: str, output: str, several: bool) -> Panel:
        """A panel titled with the dataset, and with the output where a figure has several."""
        name = "fused" if output == "mm" else output
        return Panel(dataset, output, self.label(dataset) + (f", {name}" if several else ""))

    def _about(self) -> str:
        about = self.config.profiles[self.profile_name].about
        return f"Profile: {self.profile_name} ({about})."

    def _warning(self, points: Sequence[Any]) -> str:
        names = dict.fromkeys(self.label(p.dataset) for p in points if p.stand_in)
        generated = f"STAND-IN DATA ({', '.join(names)}): generated, says nothing about the paper."
        published = (p.dataset for p in points if p.published_protocol)
        return " ".join([generated] * bool(names) + published_warning(self.config, published))

    def _absent(self, datasets: set[str], lacking: str) -> str:
        concerned = [f for f in self.found if f.cell.dataset in datasets]
        if any(f.done for f in concerned):
            return lacking
        reasons = dict.fromkeys(f.cell.reason or f.state for f in concerned)
        return f"no finished run ({', '.join(reasons)})"


def gather(
    config: Config,
    profile_name: str,
    suite: str,
    cells: Sequence[Cell],
    records: Sequence[RunRecord],
    selection: str,
) -> Material:
    """The material of a suite; ValueError for an unknown suite or selection rule."""
    lookup("suite", suite, config.suites)
    lookup("selection rule", selection, RULES)
    found = evidence_of(cells, records)
    entries = make_entries(config, suite, found, metrics_frame(config, {suite: found}))[selection]
    return Material(config, profile_name, suite, selection, looks(config), found, entries)
