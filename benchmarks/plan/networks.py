"""The networks and sample shapes whose steps `bench` times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from benchmarks.configs.load import load_config
from benchmarks.plan.experiment import Experiment
from datasets import registry

Shapes = Mapping[str, tuple[int, ...]]

MARK = " stand-in"
ALONE = "joint_train"  # the method of the tables' rows of one modality


@dataclass(frozen=True)
class Network:
    """An encoder and the samples {modality: shape} that it takes, each with `segments` labels.

    `data` is the dataset's name, with a mark where stand-in data has shapes of its own.
    """

    data: str
    shapes: Shapes
    classes: int
    encoder: str
    segments: int = 1

    @property
    def dataset(self) -> str:
        """The dataset's name without the mark."""
        return self.data.removesuffix(MARK)


@cache
def networks() -> dict[str, list[Network]]:
    """By part of `bench`: the tables' encoders, and the small ones of the demo profile.

    The first dataset of `datasets.yaml` is the one that every other part measures on, too.
    """
    config = load_config()
    paper = {name: _published(name, d.encoders["paper"]) for name, d in config.datasets.items()}
    small = {name: d.encoders["small"] for name, d in config.datasets.items()}
    base, *others = paper
    return {
        "steps": [paper[base]],
        **{f"steps_{name}": [paper[name]] for name in others},
        "steps_small": [
            _published(base, small[base]),
            *(_stand_in(name, small[name]) for name in others),
        ],
    }


def optional_parts() -> tuple[str, ...]:
    """The parts that take minutes on a CPU: measured only when they are named."""
    return tuple(part for part in networks() if part not in ("steps", "steps_small"))


def data_of(experiment: Experiment) -> str:
    """The `Network.data` of an experiment."""
    name, stand_in = experiment.dataset, bool(experiment.data.get("stand_in"))
    differs = registry.spec(name, stand_in) != registry.spec(name)
    return name + MARK if differs else name


def part_of(experiment: Experiment) -> str | None:
    """The part of `bench` that times the steps of this experiment; None if none does."""
    if experiment.modalities and (len(experiment.modalities), experiment.method) != (1, ALONE):
        return None
    wanted = data_of(experiment), experiment.encoder
    for part, measured in networks().items():
        if wanted in [(network.data, network.encoder) for network in measured]:
            return part
    return None


def _published(name: str, encoder: str) -> Network:
    spec = registry.spec(name)
    return Network(name, spec.shapes, spec.classes, encoder, spec.segments)


def _stand_in(name: str, encoder: str) -> Network:
    spec, published = registry.spec(name, stand_in=True), registry.spec(name)
    data = name if spec == published else name + MARK
    return Network(data, spec.shapes, spec.classes, encoder, spec.segments)
