"""The plan of a suite: which experiments fill which cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks.configs.load import lookup
from benchmarks.configs.schema import Config, ProfileConfig, Row
from benchmarks.plan.experiment import Experiment
from datasets.spec import PROTOCOLS
from datasets.tensors.label_noise import OPTION as LABEL_NOISE
from datasets.tensors.label_noise import noisy_fingerprint
from msam.optim import OptimConfig

# Options that an experiment leaves out at these defaults: both ways name the same run.
LEFT_OUT = {"protocol": PROTOCOLS[0], LABEL_NOISE: 0, "source": "rebuilt"}


@dataclass(frozen=True)
class DataState:
    """The fingerprint of a dataset with the options of a profile, or why it cannot be used."""

    fingerprint: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Cell:
    """One row of a table for one dataset.

    It is filled by the records of every seed that have the `cell_id` of `template`. `reason` says
    why nothing can be run, such as missing data.
    """

    row: Row
    dataset: str
    template: Experiment
    reason: str = ""

    def experiments(self, seeds: int) -> list[Experiment]:
        """The experiments of seeds 0 to `seeds` - 1; none where nothing can be run."""
        if self.reason:
            return []
        return [replace(self.template, seed=seed) for seed in range(seeds)]


def plan_suite(
    config: Config, suite_name: str, profile: ProfileConfig, states: Mapping[str, DataState]
) -> list[Cell]:
    """Every cell of the suite, row by row, datasets in column order."""
    suite = lookup("suite", suite_name, config.suites)
    return [
        _cell(config, row.fusion or suite.fusion, row, dataset, profile, states[dataset])
        for row in suite.rows
        for dataset in config.datasets
        if set(row.modalities) <= set(config.datasets[dataset].modalities)
    ]


def chosen(
    cells: Iterable[Cell], datasets: tuple[str, ...], methods: tuple[str, ...]
) -> list[Cell]:
    """The cells of these datasets and methods; an empty choice means all."""
    return [
        cell
        for cell in cells
        if (not datasets or cell.dataset in datasets)
        and (not methods or cell.row.method in methods)
    ]


def make_experiment(
    config: Config,
    profile: ProfileConfig,
    *,
    dataset: str,
    fusion: str,
    method: str,
    modalities: Sequence[str] = (),
    changes: Mapping[str, Any] | None = None,
    seed: int = 0,
    fingerprint: str | None = None,
) -> Experiment:
    """An experiment at the scale of `profile`, with `changes` as `experiment_values` makes them;
    ValueError lists every mistake."""
    names = {"dataset": dataset, "fusion": fusion, "method": method, "modalities": modalities}
    values = experiment_values(config, profile, {**names, "seed": seed}, changes or {})
    values["data"]["fingerprint"] = fingerprint
    return Experiment.from_dict(values)


def experiment_values(
    config: Config, profile: ProfileConfig, names: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """The JSON values of an experiment, right or wrong, for `Experiment.from_dict`.

    `names` are its dataset, fusion, method, modalities and seed. `changes` are those of `--set`
    or of a table's row: fields of the experiment or of the optimiser, and options of the dataset.
    Every other name is a hyperparameter of the method.
    """
    dataset = config.datasets.get(names["dataset"])
    options = data_options(config, profile, names["dataset"]) if dataset else {}
    options[LABEL_NOISE] = 0
    optim = asdict(OptimConfig(**profile.optim))
    params = _params(config, profile, names, {**options, **changes}.get("protocol"))
    scale: dict[str, Any] = {
        "epochs": profile.epochs,
        "batch_size": profile.batch_size,
        "encoder": dataset.encoders[profile.encoders] if dataset else "",
        "train_samples": profile.train_samples,
        "precision": "fp32",
        "memory_format": "contiguous",
        "threads": profile.threads,
    }
    for key, value in changes.items():
        owner = next((o for o in (scale, optim, options) if key in o), params)
        owner[key] = value
    kept = {k: v for k, v in options.items() if k not in LEFT_OUT or v != LEFT_OUT[k]}
    data = {**kept, "stand_in": profile.stand_in, "fingerprint": None}
    modalities = _in_column_order(names["modalities"], dataset.modalities if dataset else ())
    return {
        **scale,
        **names,
        "modalities": modalities,
        "optim": optim,
        "params": params,
        "data": data,
    }


def _params(
    config: Config, profile: ProfileConfig, names: Mapping[str, Any], protocol: Any
) -> dict[str, Any]:
    """The method's hyperparameters; those chosen hold for the protocol they were chosen under."""
    if names["method"] not in config.methods:
        return {}
    params = config.methods[names["method"]].values(names["dataset"])
    if profile.params == "tuned" and protocol == PROTOCOLS[0]:
        params |= config.chosen(names["dataset"], names["fusion"], names["method"])
    return params


def data_options(config: Config, profile: ProfileConfig, dataset: str) -> dict[str, Any]:
    """The options of the dataset's loader under this profile."""
    options = lookup("dataset", dataset, config.datasets).options
    return {**options, **profile.options.get(dataset, {})}


def _in_column_order(named: Sequence[str], known: Sequence[str]) -> list[str]:
    """The named modalities in one order; all of them is the same as naming none."""
    if len(set(named)) < len(named) or not set(named) <= set(known):
        return list(named)  # wrong, and refused by the checks
    return [] if set(named) == set(known) else [m for m in known if m in named]


def _cell(
    config: Config,
    fusion: str,
    row: Row,
    dataset: str,
    profile: ProfileConfig,
    state: DataState,
) -> Cell:
    noise = row.changes.get(LABEL_NOISE, 0)
    clean = state.fingerprint
    template = make_experiment(
        config,
        profile,
        dataset=dataset,
        fusion=fusion,
        method=row.method,
        modalities=row.modalities,
        changes=row.changes,
        fingerprint=clean and noisy_fingerprint(clean, noise),
    )
    return Cell(row, dataset, template, state.reason)
