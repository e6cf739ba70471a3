"""Recon-Boost (Hua et al., ICML 2024): modalities boosted in turn, then rectified together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Absent, Features, Inputs, MultimodalModel, evaluating
from msam.optim import OptimConfig
from msam.parameters import Count, Interval, NonNegative

Epochs = Annotated[int, Interval(0)]
Names = tuple[str, ...]
Encoded = tuple[Features, Features]  # present {m: (B, D_m)}, absent of one sample {m: (1, D_m)}


@register("reconboost")
class ReconBoost(Method):
    """Stage s trains learner k = s mod M against the fixed others, then all learners together.

    ReconBoost@14ab57a, train.py:156-451. Learner f_m gives modality m's logits, the ensemble is
    Phi = r sum_m f_m with a trained scalar r. Boosting: the batch mean of
    -(1/C) (w1 - w2 q_y) log softmax(f_k)_y, q = softmax(r sum_{j != k} f_j), trains encoder k and
    its head. Rectification: cross-entropy of Phi, all members and r. A learner is a member after
    its first boosting; q = 1 while there are no others. With `members='all'`, or after
    `pretrain_epochs` of every learner alone (the code loads trained ones), all are from the
    start. Momentum starts anew with every phase; what a phase does not train has no gradient.

    `consolidation='dead'` is the code, where alpha mean (softmax f_k - softmax f_prev)^2 has no
    gradient; with `'live'` f_k learns from it, f_prev being the learner of the stage before. A
    learning rate of None is the suite's (code: 0.01); the suite's schedule acts on any.

    Definition for early fusion, which no source gives: f_m is the joint network with the others
    `absent`, in evaluation mode, its head all that is behind the encoders. Rectification trains r
    times the joint output of the members; without r, that is also what is evaluated.

    Departures: late fusion has a linear head per modality, as for every method here (code: one
    head of two layers for all); BatchNorm records a batch once (code: twice for fixed learners);
    evaluation is of all learners, members or not, and without r: the same classes while r > 0.
    """

    neutral: ClassVar[dict[str, Any]] = {
        "boosting_epochs": 0,
        "rectification_epochs": 1_000_000,
        "members": "all",
        "train_boost_rate": False,
    }

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        w1: NonNegative = 5.0,
        w2: NonNegative = 1.0,
        alpha: NonNegative = 0.5,
        consolidation: Literal["dead", "live"] = "dead",
        boosting_epochs: Epochs = 4,
        rectification_epochs: Count = 4,
        pretrain_epochs: Epochs = 0,
        members: Literal["grow", "all"] = "grow",
        boosting_lr: NonNegative | None = None,
        rectification_lr: NonNegative | None = None,
        boost_rate: float = 1.0,
        train_boost_rate: bool = True,
        absent: Absent = "zero_feature",
    ) -> None:
        super().__init__(model, optim)
        self.cycle = boosting_epochs + rectification_epochs
        self.w1, self.w2, self.optim, self.absent = w1, w2, optim, absent
        self.alpha = alpha if consolidation == "live" else 0.0
        self.pretrain_epochs, self.boosting_epochs = pretrain_epochs, boosting_epochs
        self.lrs = {"boost": boosting_lr, "rectify": rectification_lr}
        self.grows = members == "grow" and pretrain_epochs == 0
        rate = next(model.parameters()).new_tensor(boost_rate)
        self.boost_rate = nn.Parameter(rate, requires_grad=train_boost_rate)
        self.optimizer.add_param_group({"params": [self.boost_rate]})
        self._start_phase()

    @property
    def phase(self) -> tuple[int, str]:
        """The stage of this epoch, and what it does."""
        if self.epoch < self.pretrain_epochs:
            return 0, "pretrain"
        stage, within = divmod(self.epoch - self.pretrain_epochs, self.cycle)
        return stage, ("boost" if within < self.boosting_epochs else "rectify")

    def learner(self, stage: int) -> str:
        """The modality whose turn it is."""
        return self.model.modalities[stage % len(self.model.modalities)]

    @property
    def members(self) -> tuple[str, ...]:
        """The modalities in the ensemble: as many as have ended a boosting phase, or all."""
        stage, name = self.phase
        return self.model.modalities[: stage + (name == "rectify") if self.grows else None]

    def _start_phase(self) -> None:
        """No momentum yet, and the phase's learning rate, decayed as far as the suite's is."""
        self.optimizer.state.clear()
        lr = self.lrs.get(self.phase[1])
        decay = self.optim.decay_factor ** (self.epoch // self.optim.decay_epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = (self.optim.lr if lr is None else lr) * decay

    def end_epoch(self, val: Mapping[str, float]) -> None:
        before = self.phase
        super().end_epoch(val)
        if self.phase != before:
            self._start_phase()

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        objectives = {"pretrain": self._pretrain, "boost": self._boost, "rectify": self._rectify}
        objective, logits = objectives[self.phase[1]](inputs, labels)
        metrics = batch_metrics(logits, labels, F.cross_entropy(logits.detach(), labels))
        metrics |= {"objective": objective.detach(), "boost_rate": self.boost_rate.detach().clone()}
        self.optimizer.zero_grad()
        objective.backward()
        self.optimizer.step()
        return metrics

    def _pretrain(self, inputs: Inputs, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Every learner's own cross-entropy, summed; and the logits of the ensemble (B, C)."""
        learners = self._learners(self._encode(inputs, self.members))
        objective = sum(F.cross_entropy(f, labels) for f in learners.values())
        return objective, self.boost_rate * sum(learners.values())  # type: ignore[return-value]

    def _boost(self, inputs: Inputs, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of the learner against the other members; the logits of all of them (B, C)."""
        stage, k = self.phase[0], self.learner(self.phase[0])
        others = tuple(m for m in self.members if m != k)
        learners = self._learners(self._encode(inputs, (k,), others))
        f, rate = learners[k], self.boost_rate.detach()
        ensemble = rate * sum(learners[m].detach() for m in others)
        q = ensemble.softmax(1) if others else torch.ones_like(f)
        objective = boosting_loss(f, q, labels, self.w1, self.w2)
        if self.alpha and stage > 0:
            previous = learners[self.learner(stage - 1)].detach()
            objective = objective + self.alpha * consolidation_loss(f, previous)
        return objective, ensemble + rate * f

    def _rectify(self, inputs: Inputs, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the members' ensemble, and its logits (B, C)."""
        features, _ = encoded = self._encode(inputs, self.members)
        if len(self.members) == len(features):
            joint = self.model.fusion(features)
        elif self.model.heads:
            joint = sum(self._learners(encoded)[m] for m in self.members)
        else:  # a constant in place of a modality must not enter BatchNorm's statistics
            with evaluating(self.model.fusion):
                joint = self.model.fusion(features)
        logits = self.boost_rate * joint
        return F.cross_entropy(logits, labels), logits

    def _learners(self, encoded: Encoded) -> Features:
        """f_m of every modality that is encoded, {m: (B, C)}; that of others means nothing."""
        with evaluating(self.model.fusion):
            return self.model.modality_logits(*encoded)

    def _encode(self, inputs: Inputs, learning: Names, fixed: Names = ()) -> Encoded:
        """The features, without gradient for `fixed` modalities; absent ones for the rest."""
        features = {m: self.model.encoders[m](inputs[m]) for m in learning}
        rest = [m for m in self.model.modalities if m not in learning + fixed]
        with torch.no_grad(), evaluating(nn.ModuleList(self.model.encoders[m] for m in rest)):
            features |= {m: self.model.encoders[m](inputs[m]) for m in fixed}
            features |= {m: self.model.encoders[m](inputs[m][:1]) for m in rest}  # for its width
        absent = self.model.absent_features(inputs, features, self.absent)
        rows = len(features[learning[0]])
        return features | {m: absent[m].repeat(rows // len(absent[m]), 1) for m in rest}, absent

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "boost_rate": self.boost_rate.detach()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.boost_rate.data.copy_(state["boost_rate"])

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        return None if len(modalities) > 1 else "one modality alone has no other to boost against"


def boosting_loss(f: Tensor, q: Tensor, labels: Tensor, w1: float, w2: float) -> Tensor:
    """Mean of -(1/C) (w1 - w2 q_y) log softmax(f)_y, from f and q (B, C). Of q only the true class
    counts, as in the code; the paper's divergence has all classes."""
    q_true = q.gather(1, labels[:, None]).squeeze(1)
    errors = F.cross_entropy(f, labels, reduction="none")
    return ((w1 - w2 * q_true) * errors).mean() / f.shape[1]


def consolidation_loss(f: Tensor, previous: Tensor) -> Tensor:
    """Mean square of softmax(f) - softmax(previous) over all entries of (B, C)."""
    return F.mse_loss(f.softmax(1), previous.softmax(1))
