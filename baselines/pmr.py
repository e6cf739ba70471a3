"""PMR (Fan et al., CVPR 2023): pulls the modality behind towards its class prototypes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.gradients import output_layers
from baselines.ogm_ge import confidence
from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Features, Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import Fraction, Interval, NonNegative

Epoch = Annotated[int, Interval(0)]
Share = Annotated[float, Interval(1e-6, 1)]
Rule = Literal["behind", "weakest", "graded"]


@register("pmr")
class PMR(Method):
    """The fused loss plus the prototype loss of the modality whose prototypes classify worse.

    Modal-Imbalance-PMR@3615e48 (MIT), main_Prototype_grad.py:69-75, 120-288, 383-441. c_mk is the
    prototype of class k, the mean feature of its rows, and d_mk = ||h_m - c_mk||, not squared:
    PCE_m = CE(-d_m, y);  s_m = sum_b softmax_k(-d_m)_y;  L = CE(z, y) + alpha sum_m r_m PCE_m
    in the epochs `modulation_starts` to `modulation_ends`, counted from 0, both included. Outside,
    L = CE(z, y). The coefficients r_m are constants, and so are the prototypes within an epoch.

    `rule='behind'` is the code for two modalities, r_m = 1 where s_m < max s. `'weakest'` has 1
    for the smallest s_m alone. `'graded'` is clip(max s / s_m - 1, 0, 1), the paper's form as
    TCMax@a950d9b (MIT) has it (src/models/PMR_module.py:102-149). `mu` > 0 adds the entropy term
    of that file for two modalities, - mu sum_m r_other H_m, with H_m the entropy of -d_m over the
    rows of the batch, mean over classes; the code of the paper has no such term.

    `prototypes='pass'`, as the code: before each epoch, in evaluation mode, from a random `share`
    of the training rows. From epoch 2 on, old prototypes keep the weight `momentum`. With
    `'running'` they are the means of the features that the epoch before trained on, and the first
    epoch has none; no pass over the data is needed.

    Departures: the rows of the pass are training rows (code: validation rows for AVE, test rows
    for CGMNIST). A class without a row in a pass keeps its prototype; one never seen takes no part
    (code: 0/0, and the loss is NaN). A feature that equals a prototype has no gradient there (code:
    NaN). More than two modalities: no source; the rules above are our definition.
    """

    neutral: ClassVar[dict[str, Any]] = {"alpha": 0.0}

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        alpha: NonNegative = 2.0,
        momentum: Fraction = 0.0,
        modulation_starts: Epoch = 0,
        modulation_ends: Epoch = 70,
        rule: Rule = "behind",
        mu: NonNegative = 0.0,
        prototypes: Literal["pass", "running"] = "pass",
        share: Share = 0.1,
    ) -> None:
        super().__init__(model, optim)
        if reason := self.unsupported(model.modalities, "late", mu=mu):
            raise ValueError(reason)
        self.alpha, self.mu, self.rule, self.momentum = alpha, mu, rule, momentum
        self.window = (modulation_starts, modulation_ends)
        self.source, self.share = prototypes, share
        output = output_layers(model)[model.modalities[0]]
        self.classes = torch.arange(output.out_features, device=output.weight.device)
        self.seen = torch.zeros_like(self.classes, dtype=torch.bool)  # (C,)
        self.prototypes: Features = {}  # {m: (C, D_m)}, rows of unseen classes mean nothing
        self.sums: Features = {}  # 'running': {m: (C, D_m)} of the epoch so far
        self.counts = output.weight.new_zeros(len(self.classes))

    @property
    def phase(self) -> bool:
        """Whether this epoch's loss has prototype terms."""
        inside = self.window[0] <= self.epoch <= self.window[1]
        return inside and self._acts and bool(self.prototypes)

    @property
    def survey(self) -> float:  # type: ignore[override]  # `Method` has it as a plain attribute
        """The share of the training rows behind the prototypes; 0 where they are not used."""
        used = self._acts and self.epoch <= self.window[1]
        return self.share if self.source == "pass" and used else 0.0

    @property
    def _acts(self) -> bool:
        return self.alpha > 0 or self.mu > 0

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)
        logits = self.model.fusion(features)
        loss = objective = F.cross_entropy(logits, labels)
        coefficients = torch.zeros(len(features), dtype=loss.dtype, device=loss.device)
        if self.phase:
            coefficients, term = self.prototype_term(features, labels)
            objective = loss + term
        self.optimizer.zero_grad()
        objective.backward()
        self.optimizer.step()
        if self.source == "running" and self._acts:
            self._add_up(features, labels)
        named = zip(self.model.modalities, coefficients.unbind(), strict=True)
        reported = {f"coefficient_{m}": r.clone() for m, r in named}
        return {**batch_metrics(logits, labels, loss), "objective": objective.detach(), **reported}

    def prototype_term(self, features: Features, labels: Tensor) -> tuple[Tensor, Tensor]:
        """r_m (M,), and what is added to the fused loss, from features {m: (B, D_m)}."""
        nearness = [-distances(phi, self.prototypes[m]) for m, phi in features.items()]
        known = [z.masked_fill(~self.seen, -torch.inf) for z in nearness]
        scores = torch.stack([confidence(z.detach(), labels) for z in known])
        losses = torch.stack([prototype_loss(z, self.seen[labels], labels) for z in known])
        coefficients = coefficients_of(scores, self.rule)
        term = self.alpha * coefficients.dot(losses)
        if self.mu > 0:
            entropies = torch.stack([batch_entropy(z, self.seen) for z in nearness])
            term = term - self.mu * coefficients.flip(0).dot(entropies)
        return coefficients, term

    def observe(self, features: Features, labels: Tensor) -> None:
        """New prototypes from the features that an epoch begins with."""
        sums, counts = self._class_sums(features, labels)
        self._renew(sums, counts)

    def end_epoch(self, val: Mapping[str, float]) -> None:
        super().end_epoch(val)
        if self.sums:
            self._renew(self.sums, self.counts)
            for total in (*self.sums.values(), self.counts):
                total.zero_()

    def _class_sums(self, features: Features, labels: Tensor) -> tuple[Features, Tensor]:
        """The sum of each class's features, {m: (C, D_m)}, and its number of rows (C,)."""
        # A product, because adding at indices is not deterministic on a GPU.
        rows = (labels == self.classes[:, None]).to(self.counts.dtype)  # (C, B)
        return {m: rows @ phi.detach() for m, phi in features.items()}, rows.sum(1)

    def _add_up(self, features: Features, labels: Tensor) -> None:
        sums, counts = self._class_sums(features, labels)
        for m, total in sums.items():
            if m not in self.sums:
                self.sums[m] = torch.zeros_like(total)
            self.sums[m].add_(total)
        self.counts.add_(counts)

    def _renew(self, sums: Features, counts: Tensor) -> None:
        """Prototypes for the epoch that begins; in place, where a recorded step reads them."""
        found = (counts > 0)[:, None]
        for m, total in sums.items():
            new = total / counts.clamp_min(1)[:, None]
            old = self.prototypes.setdefault(m, torch.zeros_like(new))
            if self.epoch > 1:
                blend = (1 - self.momentum) * new + self.momentum * old
                new = torch.where(self.seen[:, None], blend, new)
            old.copy_(torch.where(found, new, old))
        self.seen.logical_or_(found.squeeze(1))

    def state_dict(self) -> dict[str, Any]:
        kept = {"prototypes": self.prototypes, "seen": self.seen}
        return {**super().state_dict(), **kept, "sums": self.sums, "counts": self.counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.seen.copy_(state["seen"])
        self.counts.copy_(state["counts"])
        for kept, saved in ((self.prototypes, "prototypes"), (self.sums, "sums")):
            kept |= {m: x.to(self.seen.device, copy=True) for m, x in state[saved].items()}

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        if len(modalities) < 2:
            return "PMR helps the modality behind; one modality alone has no other to compare with"
        if params.get("mu", 0) > 0 and len(modalities) != 2:
            return "PMR's entropy term is defined for two modalities; set mu to 0"
        return None


def distances(features: Tensor, prototypes: Tensor) -> Tensor:
    """Euclidean, not squared: (B, D) and (C, D) -> (B, C). The gradient of distance 0 is 0."""
    return torch.linalg.vector_norm(features[:, None] - prototypes, dim=2)


def prototype_loss(nearness: Tensor, known: Tensor, labels: Tensor) -> Tensor:
    """PCE_m: mean cross-entropy of the nearness (B, C), -d or -inf for a class without a prototype.

    Over the `known` (B,) rows, those whose class has a prototype; 0 if there are none.
    """
    errors = F.cross_entropy(nearness, labels, reduction="none")
    return torch.where(known, errors, 0.0).sum() / known.sum().clamp_min(1)


def coefficients_of(scores: Tensor, rule: Rule) -> Tensor:
    """r_m from s_m, both (M,); constants. All are 0 where all scores are equal."""
    best = scores.max()
    if rule == "graded":
        return (best / scores - 1).clamp(0, 1).nan_to_num(0.0)  # NaN where all scores underflow
    behind = scores < best
    if rule == "weakest":
        behind = behind & (scores == scores.min())
    return behind.to(scores.dtype)


def batch_entropy(nearness: Tensor, seen: Tensor) -> Tensor:
    """H_m: entropy of softmax over the rows of (B, C), mean over the `seen` (C,) classes."""
    logs = nearness.log_softmax(0)
    entropies = -(logs.exp() * logs).sum(0)
    return torch.where(seen, entropies, 0.0).sum() / seen.sum().clamp_min(1)
