"""The optimiser's settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from msam.parameters import Count, Fraction, NonNegative, field_problems


@dataclass(frozen=True)
class OptimConfig:
    """SGD and its schedule; the defaults are the paper's (section 4.2).

    The learning rate is multiplied by `decay_factor` every `decay_epochs` epochs. Raises
    ValueError for values out of range.
    """

    lr: NonNegative = 1e-3
    momentum: Fraction = 0.9
    weight_decay: NonNegative = 1e-4
    decay_epochs: Count = 70
    decay_factor: Fraction = 0.1

    def __post_init__(self) -> None:
        if problems := field_problems(OptimConfig, asdict(self), "optim"):
            raise ValueError("; ".join(problems))
