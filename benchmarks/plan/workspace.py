"""Where data and results lie on this machine, and what is prepared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.configs.schema import Config, ProfileConfig
from benchmarks.host import path_in
from benchmarks.plan.cuda import has_cuda
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.suites import DataState, data_options
from datasets import registry

ROOT = Path(__file__).parents[2]


NOT_GENERATED = "stand-in data not generated yet"


def own_results(name: str) -> Path:
    """Where the runs of a profile, or the files of a study, go that are made here."""
    return ROOT / "results" / "local" / name


def published_results(name: str) -> Path:
    """Where the committed ones lie. No verb writes there by default, but `report` and `figures`."""
    return ROOT / "results" / name


def choices_file(tuned_by: str) -> Path:
    """The published hyperparameters that `tune` chose under this profile."""
    return published_results(tuned_by) / "choices.yaml"


def has_published(profile: str) -> bool:
    """Whether runs of this profile are published with the code."""
    return (published_results(profile) / "runs").is_dir()


def data_folder() -> Path:
    """The environment variable MSAM_DATA_DIR, else `data/` in the repository."""
    return path_in("MSAM_DATA_DIR") or ROOT / "data"


def prepared_folder(dataset: str, stand_in: bool) -> Path:
    """Where the dataset's prepared tensors lie."""
    return data_folder() / ("stand-in" if stand_in else "prepared") / dataset


def loader_options(data: Mapping[str, object]) -> dict[str, object]:
    """The part of an experiment's `data` that the loader takes as options."""
    return {k: v for k, v in data.items() if k not in ("stand_in", "fingerprint")}


def data_states(
    config: Config, profile: ProfileConfig, before_generating: bool = False
) -> dict[str, DataState]:
    """For every dataset its fingerprint under this profile, or why it cannot be used.

    With `before_generating`, stand-in data that is missing counts as usable, without a fingerprint:
    a plan can be shown before the data is there.
    """
    states = {name: _state(config, profile, name) for name in config.datasets}
    if before_generating:
        states = {n: DataState() if s.reason == NOT_GENERATED else s for n, s in states.items()}
    return states


def with_fingerprint(experiment: Experiment) -> Experiment:
    """The experiment on the data as it is prepared; DataError says what to type if it is not."""
    folder = prepared_folder(experiment.dataset, bool(experiment.data["stand_in"]))
    options = loader_options(experiment.data)
    identity = registry.fingerprint(experiment.dataset, folder, options)
    return replace(experiment, data={**experiment.data, "fingerprint": identity})


def ungenerated(datasets: Iterable[str]) -> list[str]:
    """Those of these datasets whose stand-in data is missing or damaged."""
    folders = {name: prepared_folder(name, stand_in=True) for name in datasets}
    states = {name: registry.prepared_state(name, path).state for name, path in folders.items()}
    return [name for name, state in states.items() if state != "prepared"]


def ensure_stand_in(datasets: Iterable[str], say: Callable[[str], None]) -> None:
    """Generates the stand-in data of these datasets where it is not there yet."""
    for name in ungenerated(datasets):
        say(f"generating stand-in data for {name}")
        registry.generate_stand_in(name, prepared_folder(name, stand_in=True))


def default_profile(config: Config, asked: Collection[str] = ()) -> tuple[str, str]:
    """The profile used when none is named, and one line that says why and what else to type.

    Only the datasets `asked` for count; none means all.
    """
    names = [name for name in config.datasets if name in asked] or list(config.datasets)
    states = data_states(config, config.profiles["paper"])
    prepared = [name for name, state in states.items() if state.fingerprint and name in names]
    if prepared and has_cuda():
        reason = f"a CUDA device and prepared data ({', '.join(prepared)}) are there"
        return "paper", f"profile paper: {reason}; `--profile demo` runs on stand-in data"
    if prepared:
        return "demo", (
            "profile demo (stand-in data): no CUDA device that torch can use; on the real data "
            "`--profile pilot` trains small networks, minutes a run on a CPU, and `--profile "
            "quick` the paper's on a part"
        )
    return "demo", (
        f"profile demo (stand-in data): no real data of {', '.join(names)} is prepared; after "
        f"`./reproduce.sh data prepare {names[0]}`, `--profile pilot` trains small networks on it, "
        "minutes a run on a CPU"
    )


def _state(config: Config, profile: ProfileConfig, name: str) -> DataState:
    options = data_options(config, profile, name)
    if options.get("protocol") not in registry.protocols(name):
        return DataState(None, f"no protocol '{options.get('protocol')}' for this dataset")
    folder = prepared_folder(name, profile.stand_in)
    state = registry.prepared_state(name, folder, options)
    if state.fingerprint is None:
        absent = NOT_GENERATED if profile.stand_in else "data missing"
        return DataState(None, absent if state.state == "missing" else state.detail)
    return DataState(state.fingerprint)
