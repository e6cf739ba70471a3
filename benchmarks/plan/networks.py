"""Which networks on which samples the parts of `bench` with step times measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from benchmarks.configs.load import load_config
from benchmarks.plan.experiment import Experiment
from datasets import registry

Shapes = Mapping[str, tuple[int, ...]]

BASE = "avmnist"  # what every other part measures on, too
OPTIONAL = ("steps_cremad", "steps_urfunny", "steps_ave")
"""Minutes on a CPU: measured only when they are named."""

MARK = " stand-in"
ALONE = "joint_train"  # the method of the tables' rows of one modality

STAND_IN: Mapping[str, tuple[Shapes, int]] = {
    "cremad": ({"audio": (1, 257, 299), "visual": (3, 56, 56)}, 6),
    "urfunny": ({"audio": (6, 81), "visual": (6, 371), "text": (6, 300)}, 2),
    "ave": ({"audio": (10, 128), "visual": (10, 2, 2, 32)}, 7),
}
"""Shapes and classes of stand-in data where they differ from the published ones."""


@dataclass(frozen=True)
class Network:
    """An encoder for samples {modality: shape} of a kind, each with `segments` labels.

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
    """By part of `bench`: the tables' encoders, and the small ones of the demo profile."""
    config = load_config()
    paper = {name: _published(name, d.encoders["paper"]) for name, d in config.datasets.items()}
    small = {name: d.encoders["small"] for name, d in config.datasets.items()}
    others = [name for name in paper if name != BASE]
    return {
        "steps": [paper[BASE], _published(BASE, small[BASE])],
        "steps_small": [_stand_in(name, small[name]) for name in others],
        **{f"steps_{name}": [paper[name]] for name in others},
    }


def data_of(experiment: Experiment) -> str:
    """The `Network.data` of an experiment."""
    stand_in = experiment.dataset in STAND_IN and bool(experiment.data.get("stand_in"))
    return _marked(experiment.dataset) if stand_in else experiment.dataset


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
    shapes, classes = STAND_IN[name]
    return Network(_marked(name), shapes, classes, encoder, registry.spec(name).segments)


def _marked(name: str) -> str:
    return name + MARK
