"""An experiment: everything that can change a number, validated and named by its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Annotated, Any, Literal

from msam.optim import OptimConfig
from msam.parameters import Count, Interval, field_problems


@dataclass(frozen=True)
class Experiment:
    """One run. `modalities` empty means all of them; one name gives a Single row.

    `data` holds the dataset's options, whether it is stand-in data, and the fingerprint of what
    was prepared. `train_samples` limits the training split to a fixed random part of it.
    `threads` are those of the CPU: their number changes the last digits of sums. So does
    `memory_format`, the order of an image's values in memory: with `channels_last`, the channels of
    a pixel lie together, as a GPU's tensor cores want them.
    """

    dataset: str
    fusion: Literal["late", "early"]
    method: str
    seed: Annotated[int, Interval(0)]
    epochs: Count
    batch_size: Annotated[int, Interval(2)]
    encoder: str
    optim: OptimConfig = field(default_factory=OptimConfig)
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    params: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    modalities: tuple[str, ...] = ()
    train_samples: Count | None = None
    threads: Count = 1
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"

    @cached_property
    def run_id(self) -> str:
        """A readable prefix and the hash of `to_dict`: the name of the run's files."""
        what = "-".join((self.method, *self.modalities))
        return f"{self.dataset}-{self.fusion}-{what}-s{self.seed}-{_digest(self.to_dict())}"

    @property
    def cell_id(self) -> str:
        """The same for every seed and every preparation of the data: names a cell of a table."""
        anonymous = {k: v for k, v in self.data.items() if k != "fingerprint"}
        return _digest(replace(self, seed=0, data=anonymous).to_dict())

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values; those of `LATER` only if they are not the default."""
        values = {**asdict(self), "modalities": list(self.modalities)}
        return {k: v for k, v in values.items() if k not in LATER or v != LATER[k]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Experiment:
        """The experiment that `to_dict` gave; ValueError lists everything that does not fit."""
        if problems := value_problems(values):
            raise ValueError("; ".join(problems))
        modalities = tuple(values.get("modalities", ()))
        optim = OptimConfig(**values.get("optim", {}))
        return cls(**{**values, "modalities": modalities, "optim": optim})


# Fields that came later, and their defaults: runs made before keep their names.
LATER = {name: getattr(Experiment, name) for name in ("threads", "memory_format")}


def value_problems(values: Mapping[str, Any]) -> list[str]:
    """Everything wrong with the JSON values of an experiment, one sentence each."""
    problems = field_problems(Experiment, values, "experiment")
    optim = values.get("optim", {})
    if isinstance(optim, Mapping):
        problems += field_problems(OptimConfig, optim, "optim")
    named = values.get("modalities", ())
    if isinstance(named, list | tuple) and len(set(map(str, named))) < len(named):
        problems.append(f"experiment modalities name one twice: {', '.join(map(str, named))}")
    required = [f.name for f in fields(Experiment) if f.default is f.default_factory is MISSING]
    return problems + [f"experiment lacks the key '{k}'" for k in required if k not in values]


def derive_seed(seed: int, *stream: object) -> int:
    """An independent 63-bit seed for one stream of randomness, such as ("order", epoch)."""
    words = "/".join(map(str, (seed, *stream)))
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big") >> 1


def _digest(values: Mapping[str, Any]) -> str:
    values = _canonical(values)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]


def _canonical(value: Any) -> Any:
    """The same value with 1.0 written as 1, so that both name the same experiment."""
    if isinstance(value, Mapping):
        return {key: _canonical(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
