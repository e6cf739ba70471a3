"""What every verb on results needs: configuration, profile, folders."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.configs.load import load_config, lookup
from benchmarks.configs.schema import Config, ProfileConfig
from benchmarks.plan import costs, measurements, suites, workspace
from benchmarks.plan.suites import Cell, DataState
from benchmarks.records.folders import Folders
from benchmarks.records.record import LeftOut, RunRecord, load_records
from benchmarks.records.selection import RULES
from benchmarks.studies.tuning.chosen import with_chosen
from benchmarks.studies.tuning.grid import Search, searches
from benchmarks.terminal import fitted
from datasets import registry

Say = Callable[[str], None]


@dataclass(frozen=True)
class Session:
    """One invocation of the command line, bound to a profile and a results folder.

    `say` prints a line; `protocol`, `threads`, `out` and `seeds` are as typed. A `dry_run` plans
    and writes nothing, not even stand-in data.
    """

    config: Config
    profile_name: str
    folders: Folders
    say: Say
    protocol: str | None = None
    threads: int | None = None
    out: Path | None = None
    seeds: int | None = None
    dry_run: bool = False

    @property
    def words(self) -> str:
        """The options that name the same results again, such as `--profile demo --out DIR`."""
        options = {
            "--profile": self.profile_name,
            "--protocol": self.protocol,
            "--threads": self.threads,
            "--seeds": self.seeds,
            "--out": self.out,
        }
        typed = {option: str(value) for option, value in options.items() if value is not None}
        return shlex.join(word for pair in typed.items() for word in pair)

    @property
    def reading_words(self) -> str:
        """The same options for a verb that reads, which would else read the published runs."""
        own = self.folders.root == workspace.own_results(self.profile_name)
        local = own and workspace.has_published(self.profile_name)
        return f"{self.words} --local" if local else self.words

    @property
    def profile(self) -> ProfileConfig:
        return self.config.profiles[self.profile_name]

    def cells(self, suite: str) -> list[Cell]:
        """The cells of a table under this profile and the data that is prepared."""
        return suites.plan_suite(self.config, suite, self.profile, self._states())

    def searches(self) -> list[Search]:
        """The grids of `tune` under this profile."""
        return searches(self.config, self.profile, self._states())

    def grids(self) -> dict[str, list[Cell]]:
        """The cells of every grid of `tune` under this profile."""
        return {"tune": [cell for search in self.searches() for cell in search.cells]}

    def _states(self) -> dict[str, DataState]:
        return workspace.data_states(self.config, self.profile, self.dry_run)

    def tables(
        self, records: Iterable[RunRecord] = (), asked: Collection[str] = ()
    ) -> dict[str, list[Cell]]:
        """The cells of the paper's tables, of those `asked` for, and of others with an ended run.

        A run that several tables show counts for the first of them, unless one of the others has
        no run of its own. Without the data, as in a checkout of published records, only `records`
        say which runs have ended.
        """
        recorded = {record.experiment.cell_id for record in records}
        shown, seen = {}, set()
        for name, suite in self.config.suites.items():
            cells = self.cells(name)
            own = [cell for cell in cells if _id(cell) not in seen] or cells
            begun = any(self._begun(cell, recorded) for cell in own)
            if suite.source == "paper" or name in asked or begun:
                shown[name] = cells
            seen |= {_id(cell) for cell in cells}
        return shown

    def _begun(self, cell: Cell, recorded: set[str]) -> bool:
        runs = cell.experiments(self.profile.seeds)
        there = any(self.folders.record(run.run_id).exists() for run in runs)
        return there or _id(cell) in recorded

    def gaps(self, cells: Iterable[Cell]) -> list[str]:
        """A line for each dataset of these cells that cannot be used: why, and what to type."""
        found = []
        for name in dict.fromkeys(cell.dataset for cell in cells if cell.reason):
            folder = workspace.prepared_folder(name, self.profile.stand_in)
            detail = registry.prepared_state(name, folder).detail
            found.append(f"{self.config.datasets[name].label} cannot be run: {detail}")
        return found

    def prepare_stand_in(self, datasets: Iterable[str]) -> None:
        """Generates the stand-in data that is missing, if the profile trains on that.

        A dry run only says which data that is.
        """
        missing = self.ungenerated(datasets)
        if missing and self.dry_run:
            self.say(f"stand-in data is generated first: {', '.join(missing)}")
        elif missing:
            workspace.ensure_stand_in(missing, self.say)

    def ungenerated(self, datasets: Iterable[str]) -> list[str]:
        """The datasets whose stand-in data this profile needs and that is not there."""
        return workspace.ungenerated(datasets) if self.profile.stand_in else []

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
        name, why = workspace.default_profile(config, _asked(arguments))
        price = _price_of_paper(config, _asked(arguments)) if name != "paper" else ""
        say(fitted(f"{why}{price}"))
    lookup("profile", name, config.profiles)
    lookup("selection rule", getattr(arguments, "selection", "val-best"), RULES)
    root = _results(arguments, name, say)
    if arguments.protocol is not None:
        _check_protocol(arguments, config)
        config = _with_protocol(config, name, arguments.protocol)
    profile = config.profiles[name]
    if profile.params == "tuned":
        choices = _choices(root, profile.tuned_by)
        config, which = with_chosen(config, choices, arguments.protocol)
        say(fitted(which))
    threads = getattr(arguments, "threads", None)
    if threads is not None:
        config = with_threads(config, name, threads)
    seeds = getattr(arguments, "seeds", None)
    if seeds is not None and not seeds_problems(arguments):
        config = _with_profile(config, name, seeds=seeds)
    typed = arguments.protocol, threads, arguments.out, seeds
    dry_run = getattr(arguments, "dry_run", False)
    return Session(config, name, Folders(root), say, *typed, dry_run=dry_run)


def _results(arguments: Namespace, profile: str, say: Say) -> Path:
    """The results folder: `--out`, or one's own, or for a verb that reads the published one.

    A verb that reads has the option `--local`; without published runs it reads one's own.
    """
    own, published = workspace.own_results(profile), workspace.published_results(profile)
    if arguments.out:
        return arguments.out
    if not hasattr(arguments, "local") or not workspace.has_published(profile):
        return own
    if arguments.local:
        return own
    say(f"the published runs of {published}; your own, in {own}: --local")
    return published


def _choices(root: Path, tuned_by: str) -> Path:
    """The hyperparameters that `tune` has chosen: of one's own for one's own runs, if there are."""
    own = workspace.own_results(tuned_by) / "choices.yaml"
    published = workspace.choices_file(tuned_by)
    among_own = root.resolve().parent == own.parents[1].resolve()
    return own if among_own and own.exists() else published


def seeds_problems(arguments: Namespace) -> list[str]:
    """What is wrong with `--seeds`."""
    seeds = arguments.seeds
    return [f"--seeds is {seeds}; it must be at least 1"] * (seeds is not None and seeds < 1)


def _price_of_paper(config: Config, asked: Collection[str]) -> str:
    """What the paper's tables take on the datasets that are prepared; empty if none is."""
    profile = config.profiles["paper"]
    states = workspace.data_states(config, profile)
    experiments = [
        run
        for name, suite in config.suites.items()
        if suite.source == "paper"
        for cell in suites.plan_suite(config, name, profile, states)
        if not asked or cell.dataset in asked
        for run in cell.experiments(profile.seeds)
    ]
    if not experiments:
        return ""
    try:
        figures = measurements.load_figures()
    except ValueError:  # where hours are asked for, it is named
        figures = measurements.Figures()
    found = costs.estimates(experiments, figures)
    seconds = [run.seconds for run in found if run.seconds is not None]
    if len(seconds) < len(found):
        return "; `--profile paper` takes days or weeks on a CPU"
    hours = sum(seconds) / 3600
    return f"; `--profile paper` takes about {hours:,.0f} h (figures of {costs.sources(found)})"


def _asked(arguments: Namespace) -> list[str]:
    """The datasets that the command line names."""
    single = getattr(arguments, "dataset", None)
    return [single] if single else list(getattr(arguments, "datasets", ()))


def _check_protocol(arguments: Namespace, config: Config) -> None:
    """ValueError for an unknown protocol, and for one that a dataset to train on lacks."""
    protocol, asked = arguments.protocol, _asked(arguments)
    known = {name: registry.protocols(name) for name in registry.LOADERS}
    lookup("protocol", protocol, dict.fromkeys(p for several in known.values() for p in several))
    having = [name for name in config.datasets if protocol in known[name]]
    meant = asked or (config.datasets if hasattr(arguments, "jobs") else ())
    lacking = [name for name in meant if name in known and name not in having]
    if lacking:
        hint = "" if asked else f"; add --datasets {' '.join(having)}"
        raise ValueError(
            f"protocol '{protocol}' exists for {', '.join(having)} only, not for "
            f"{', '.join(lacking)}{hint}"
        )


def _with_protocol(config: Config, profile_name: str, protocol: str) -> Config:
    """The same configuration with every dataset split in another way."""
    options = config.profiles[profile_name].options
    options = {d: {**options.get(d, {}), "protocol": protocol} for d in config.datasets}
    return _with_profile(config, profile_name, options=options)


def with_threads(config: Config, profile_name: str, threads: int) -> Config:
    """The same configuration with another number of CPU threads; ValueError if it is below 1."""
    if threads < 1:
        raise ValueError(f"--threads is {threads}; it must be at least 1")
    return _with_profile(config, profile_name, threads=threads)


def _with_profile(config: Config, name: str, **changes: Any) -> Config:
    profile = replace(config.profiles[name], **changes)
    return replace(config, profiles={**config.profiles, name: profile})
