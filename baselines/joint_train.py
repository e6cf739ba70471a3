"""Joint-Train: plain training on the fused loss, the reference row of every table."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Inputs


@register("joint_train")
class JointTrain(Method):
    """SGD on the cross-entropy of the fused logits. With one modality it is a Single row."""

    neutral: ClassVar[dict[str, Any]] = {}

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        logits = self.model(inputs)
        loss = F.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return batch_metrics(logits, labels, loss)
