"""What a training method is: one mini-batch in, one update of the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from msam.model import Features, Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import parameter_problems


class Method(ABC):
    """A row of the tables. `step` alone calls forward, backward and the optimiser.

    A method that draws random numbers draws them from `self.generator`, which the harness seeds.
    A subclass lists its hyperparameters as keyword-only arguments of `__init__`, with defaults and
    annotations; construction raises ValueError for a name or value that does not fit them.
    """

    finished = False  # set True to end the run early
    neutral: ClassVar[dict[str, Any] | None] = None  # hyperparameters that make it Joint-Train
    uncapturable: str | None = None  # why a step cannot be recorded once and replayed
    survey: float = 0.0  # share of the training rows that `observe` gets before each epoch
    steps_per_epoch = 0  # set by the harness before an epoch's first step

    def __new__(cls, *model_and_optim: Any, **params: Any) -> Method:
        if problems := parameter_problems(cls, params):
            raise ValueError("; ".join(problems))
        return super().__new__(cls)

    def __init__(self, model: MultimodalModel, optim: OptimConfig) -> None:
        _refuse_several_processes()
        self.model = model
        self.epoch = 0
        # Draws of the method's own; the global generator is left to dropout.
        self.generator = torch.Generator(next(model.parameters()).device)
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            lr=optim.lr,
            momentum=optim.momentum,
            weight_decay=optim.weight_decay,
            foreach=True,
        )
        self.scheduler = torch.optim.lr_scheduler.StepLR(
            self.optimizer, optim.decay_epochs, optim.decay_factor
        )

    @abstractmethod
    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        """Updates the model with one batch: {m: (B, *shape)}, labels (B,).

        Returns 0-dimensional tensors for the epoch's means, `loss_mm` and `acc_mm` (see
        `batch_metrics`) among them. Must not wait for the host.
        """

    def observe(self, features: Features, labels: Tensor) -> None:  # noqa: B027  most need none
        """Called before the first step of every epoch in which `survey` is not 0.

        Gets the features {m: (K, D_m)} and the labels (K,) of random training rows: without
        augmentation, in evaluation mode, without gradient. `survey` = 1 shows as many rows as the
        epoch trains on. A resumed run does not call it again for an epoch that it stopped in, so
        `state_dict` must hold what later steps need. Write tensors in place: a recorded step
        reads the old ones.
        """

    @property
    def phase(self) -> Hashable:
        """What a step depends on besides tensors and learning rates; changes between epochs only.

        A recorded step is replayed as long as this stays the same.
        """
        return ()

    def end_epoch(self, val: Mapping[str, float]) -> None:
        """Called after every epoch with the validation metrics; never with test metrics."""
        self.epoch += 1
        self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Everything but the model's weights that the next step depends on."""
        return {
            "epoch": self.epoch,
            "finished": self.finished,
            "generator": self.generator.get_state(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` gave."""
        self.epoch = state["epoch"]
        self.finished = state["finished"]
        self.generator.set_state(state["generator"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        """Why the method cannot train these modalities with this fusion, or None if it can.

        `params` are the hyperparameters given: an option may widen what a method can do.
        """
        return None

    @classmethod
    def too_short(cls, epochs: int, **params: Any) -> str | None:
        """Why a run of `epochs` epochs ends before the method acts, or None if it acts.

        Such a run would repeat another method's numbers under this one's name; it is not trained.
        """
        return None


def _refuse_several_processes() -> None:
    distributed = torch.distributed
    running = distributed.is_available() and distributed.is_initialized()
    if running and distributed.get_world_size() > 1:
        raise ValueError(
            f"torch.distributed runs {distributed.get_world_size()} processes, but a method's step "
            "averages no gradients over them; use msam.sharpened with DistributedDataParallel"
        )


def batch_metrics(logits: Tensor, labels: Tensor, loss: Tensor) -> dict[str, Tensor]:
    """The online training metrics of one batch: fused accuracy and loss, from logits (B, C)."""
    accuracy = (logits.detach().argmax(1) == labels).float().mean()
    return {"loss_mm": loss.detach(), "acc_mm": accuracy}
