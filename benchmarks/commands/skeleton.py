"""What new-method writes: a method that trains as it is and keeps the contract, and its entry."""

from __future__ import annotations

SKELETON = '''"""{label}: say here what the method is, the paper and the code with its commit."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative
from msam.splits import modality_losses


@register("{name}")
class {cls}(Method):
    """The fused loss plus `weight` times the loss of every modality alone: replace it by yours.

    Say here which equation each piece is, and every departure from the paper or its code.
    """

    # With these hyperparameters it must equal Joint-Train bit for bit; None if there are none.
    neutral: ClassVar[dict[str, Any]] = {{"weight": 0.0}}

    # Hyperparameters are keyword-only, with a default and an annotation that says what is allowed.
    def __init__(
        self, model: MultimodalModel, optim: OptimConfig, *, weight: NonNegative = 0.5
    ) -> None:
        super().__init__(model, optim)  # gives self.optimizer, self.scheduler, self.generator
        self.weight = weight

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)  # {{modality: (B, D_m)}}, encoded once
        logits = self.model.fusion(features)  # (B, C)
        loss = F.cross_entropy(logits, labels)
        absent = self.model.absent_features(inputs, features, "zero_feature")
        alone = modality_losses("unimodal", self.model, features, absent, labels)  # (M,)
        self.optimizer.zero_grad()
        (loss + self.weight * alone.sum()).backward()
        self.optimizer.step()
        # 0-dimensional tensors for the epoch's means; no .item(): a step never waits for the host.
        return {{**batch_metrics(logits, labels, loss), "loss_alone": alone.detach().mean()}}

    # A method that acts between epochs overrides end_epoch(val); one with a state of its own
    # overrides state_dict and load_state_dict. See `msam/method.py`.
'''

ENTRY = """{name}:
  label: "{label}"
  reference: "say here who published it and where its code is"
  colour: "{colour}"
  group: extension
"""
