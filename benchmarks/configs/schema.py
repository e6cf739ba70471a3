"""What the YAML files of `configs/` hold, as dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from msam.parameters import Count


@dataclass(frozen=True)
class DatasetConfig:
    """A group of columns of the tables. `options` are passed to the dataset's loader.

    `encoders` names the paper's encoder and a small one for stand-in data; `published` says which
    samples the published protocol reports.
    """

    label: str
    modalities: tuple[str, ...]
    encoders: Mapping[str, str]
    published: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """The values of a hyperparameter among which the verb `tune` chooses, in rising order."""

    parameter: str
    values: tuple[float, ...]
    source: str


@dataclass(frozen=True)
class MethodConfig:
    """How the tables show and set a method.

    `params` maps a name to its value and source; `datasets` beside them overrides the value.
    `group` is `table` for the rows of the paper's tables, else where `list` shows the method.
    `grid` is what there is to choose; a control `follows` another method's choice instead.
    """

    label: str
    reference: str
    colour: str
    group: Literal["table", "extension", "control"] = "table"
    params: Mapping[str, Any] = field(default_factory=dict)
    grid: Grid | None = None
    follows: str | None = None

    def values(self, dataset: str) -> dict[str, Any]:
        """The hyperparameters alone, as they are for a dataset."""
        return {
            name: entry.get("datasets", {}).get(dataset, entry["value"])
            for name, entry in self.params.items()
        }


@dataclass(frozen=True)
class Row:
    """A row of a table: a method, on all modalities or on those named.

    `changes` are made to the experiment as `--set` makes them: hyperparameters, `label_noise`.
    `fusion` is only there if it is not the table's.
    """

    label: str
    method: str
    modalities: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    fusion: Literal["late", "early"] | None = None


@dataclass(frozen=True)
class SuiteConfig:
    """One table, of the paper or our own. `fusion` is that of every row that names no other."""

    title: str
    fusion: Literal["late", "early"]
    rows: tuple[Row, ...]
    source: Literal["paper", "ours"] = "paper"


@dataclass(frozen=True)
class ProfileConfig:
    """The scale of the experiments. `options` overrides the options of datasets.

    With `params: tuned`, methods get the hyperparameters that the profile `tuned_by` has chosen on
    validation data: those in `results/<tuned_by>/choices.yaml`.
    `threads` is the number of CPU threads of each run. `gpu`: the runs take days on a CPU, so a job
    of a cluster asks for a GPU.
    """

    about: str
    encoders: Literal["paper", "small"]
    epochs: Count
    batch_size: Count
    seeds: Count
    stand_in: bool = False
    train_samples: Count | None = None
    optim: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    params: Literal["published", "tuned"] = "published"
    tuned_by: str = "tune"
    threads: Count = 1
    gpu: bool = False


@dataclass(frozen=True)
class Config:
    """Everything in `configs/`, and what was chosen: (dataset, fusion, method) -> {name: value}."""

    datasets: dict[str, DatasetConfig]
    methods: dict[str, MethodConfig]
    suites: dict[str, SuiteConfig]
    profiles: dict[str, ProfileConfig]
    choices: Mapping[tuple[str, str, str], Mapping[str, Any]] = field(default_factory=dict)

    @property
    def tuning_profiles(self) -> set[str]:
        """The profiles whose runs fill no table: `tune` chooses hyperparameters with them."""
        return {profile.tuned_by for profile in self.profiles.values()}

    def chosen(self, dataset: str, fusion: str, method: str) -> Mapping[str, Any]:
        """What was chosen for the method, or for the one it follows; empty if nothing was."""
        return self.choices.get((dataset, fusion, self.methods[method].follows or method), {})
