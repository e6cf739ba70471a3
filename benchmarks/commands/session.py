"""What every verb on experiments needs: configuration, profile, folders."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import plan, workspace
from benchmarks.config import load_config, lookup
from benchmarks.config_schema import Config, ProfileConfig
from benchmarks.plan import Cell
from benchmarks.record import LeftOut, RunRecord, load_records
from benchmarks.selection import RULES
from benchmarks.sweep import Folders
from datasets import registry

Say = Callable[[str], None]


@dataclass(frozen=True)
class Session:
    """One call of the command line. `say` prints a line."""

    config: Config
    profile_name: str
    folders: Folders
    say: Say

    @property
    def profile(self) -> ProfileConfig:
        return self.config.profiles[self.profile_name]

    def cells(self, suite: str) -> list[Cell]:
        """The cells of a table under this profile and the data that is prepared."""
        states = workspace.data_states(self.config, self.profile)
        return plan.plan_suite(self.config, suite, self.profile, states)

    def tables(self, records: Iterable[RunRecord] = ()) -> dict[str, list[Cell]]:
        """The cells of the paper's tables, and of our own where a run of its own has ended.

        Without the data, as in a checkout of published records, only `records` say which have.
        """
        recorded = {record.experiment.cell_id for record in records}
        cells = {name: self.cells(name) for name in self.config.suites}
        papers = {n: found for n, found in cells.items() if self.config.suites[n].source == "paper"}
        used = {_id(cell) for found in papers.values() for cell in found}
        ours = {
            name: found
            for name, found in cells.items()
            if any(self._begun(cell, recorded) for cell in found if _id(cell) not in used)
        }
        return papers | ours

    def _begun(self, cell: Cell, recorded: set[str]) -> bool:
        runs = cell.experiments(self.profile.seeds)
        there = any(self.folders.record(run.run_id).exists() for run in runs)
        return there or _id(cell) in recorded

    def records(self) -> list[RunRecord]:
        """Every record of this profile that can be read."""
        return self.archive()[0]

    def archive(self) -> tuple[list[RunRecord], list[LeftOut]]:
        """The records of this profile, and the files among them that hold none."""
        return load_records(self.folders.root / "runs")


def _id(cell: Cell) -> str:
    return cell.template.cell_id


def open_session(arguments: Namespace, say: Say) -> Session:
    """Reads the configuration and settles profile and results folder; ValueError for bad words."""
    config = load_config()
    name = arguments.profile
    if name is None:
        name, why = workspace.default_profile(config)
        say(why)
    lookup("profile", name, config.profiles)
    lookup("selection rule", getattr(arguments, "selection", "val-best"), RULES)
    if arguments.protocol is not None:
        config = _with_protocol(config, name, arguments.protocol)
    root: Path = arguments.out or workspace.ROOT / "results" / name
    return Session(config, name, Folders(root), say)


def _with_protocol(config: Config, profile_name: str, protocol: str) -> Config:
    """The same configuration with every dataset split in another way."""
    known = dict.fromkeys(p for name in registry.LOADERS for p in registry.protocols(name))
    lookup("protocol", protocol, known)
    profile = config.profiles[profile_name]
    options = {d: {**profile.options.get(d, {}), "protocol": protocol} for d in config.datasets}
    profiles = {**config.profiles, profile_name: replace(profile, options=options)}
    return replace(config, profiles=profiles)
