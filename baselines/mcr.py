"""MCR (Kontras et al., NeurIPS 2025): modalities as players of a mutual-information game."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.lazy import LazyModuleMixin

from baselines.gradients import LazyLinear, output_layers
from baselines.registry import register
from msam.losses import modality_losses
from msam.method import Method, batch_metrics
from msam.model import Features, Inputs, MultimodalModel, evaluating
from msam.optim import OptimConfig
from msam.parameters import Count, NonNegative

Game = Literal["greedy", "independent", "collaborative"]
Released = Literal["all", "released"]
TEMPERATURE = 0.5  # tau of the contrastive term, fixed in the released code


@register("mcr")
class MCR(Method):
    """Adds a game over permuted features, a contrastive term and a bottleneck to the losses.

    kkontras/MCR@338d3707 (MIT by its README, no licence file), models/MCR_Models.py and
    agents/general_agent/helpers/Bias_Infusion.py. With features h_m and modality m's head u_m:

        L = CE(fused) + w_aux sum_m CE(u_m) + lam R + contr_coeff Con + lib CEB

    - R: player k changes the prediction by permuting features within the batch. S_A are the fused
      logits with the features of the modalities in A permuted, N those of the batch, J the
      Jensen-Shannon divergence of the two. `game_terms` lists the divergences that R sums. In
      J(S_A, N)_k only modality k's contribution to S_A has a gradient. N has one too, as in the
      code; with `detach_own=True` it has none, and the independent game is the paper's k = 0.
    - Con: `contrastive` over the features of all modalities.
    - CEB: the mean square of what `Reconstruction` cannot tell of the features from the logits.

    A contribution is h_m times its head's weight; biases, and in early fusion the joint block, keep
    their gradient. There S_A and N of the game run the block in evaluation mode, so that they
    differ by the permutation alone and BatchNorm records only the batch.

    The released code forms R and Con for two modalities and does not add them: `MCR.published`.
    `constants='released'`: its three-modality code makes only the last modality's contribution a
    constant. `sets='released'`: there the collaborative game counts {0} three times and leaves out
    {1} and {2}. `permuted_features='eval'`: its two-modality code encodes a second time, in
    evaluation mode with gradient, for S_A; 'train', as for its three modalities, does not.
    `heads='fusion'` takes u_m from the network itself, the others absent in early fusion.

    `num_samples`, S, is 32 there. J is a mean over rows, so any S estimates the same R; 2 keeps
    early fusion affordable, where every divergence costs S B rows through the joint block.

    Departures: features of different widths are padded with zeros for Con (in the suite all widths
    are equal). The code starts from pretrained encoders and uses Adam; here it is the suite's start
    and SGD.
    """

    neutral: ClassVar[dict[str, Any]] = {"lam": 0.0, "w_aux": 0.0, "contr_coeff": 0.0, "lib": 0.0}
    published: ClassVar[dict[str, Any]] = {"lam": 0.0, "contr_coeff": 0.0}

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        game: Game = "greedy",
        lam: NonNegative = 0.1,
        w_aux: NonNegative = 0.01,
        contr_coeff: NonNegative = 1.0,
        lib: NonNegative = 0.0,
        num_samples: Count = 2,
        permuted_features: Literal["train", "eval"] = "train",
        heads: Literal["own", "fusion"] = "own",
        detach_own: bool = False,
        constants: Released = "all",
        sets: Released = "all",
    ) -> None:
        super().__init__(model, optim)
        self.lam, self.w_aux, self.contr_coeff, self.lib = lam, w_aux, contr_coeff, lib
        self.num_samples, self.detach_own = num_samples, detach_own
        self.permuted_features = permuted_features
        self.terms = game_terms(model.modalities, game, constants, sets)
        outputs = output_layers(model)
        like = next(iter(outputs.values())).weight
        self.heads = nn.ModuleDict()
        if heads == "own":
            for m, output in outputs.items():
                self.heads[m] = LazyLinear(output.out_features, self.generator, like)
        self.bottleneck = nn.ModuleList()
        if lib > 0:
            self.bottleneck.append(Reconstruction(self.generator, like))
        own = [*self.heads.parameters(), *self.bottleneck.parameters()]
        if own:
            self.optimizer.add_param_group({"params": own})

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)
        logits = self.model.fusion(features)
        loss = F.cross_entropy(logits, labels)
        unimodal = self._unimodal_losses(inputs, features, labels)
        objective = loss
        metrics: dict[str, Tensor] = {}
        if self.w_aux:
            objective = objective + self.w_aux * unimodal.sum()
        if self.lam:
            divergences = self._divergences(inputs, features, logits)
            signed = [t.sign * j for t, j in zip(self.terms, divergences, strict=True)]
            game = self.lam * reduce(torch.add, signed)
            objective = objective + game
            metrics |= {"regulariser": game, **self._named(divergences)}
        if self.contr_coeff:
            metrics["contrastive"] = contrastive(list(features.values()), labels, TEMPERATURE)
            objective = objective + self.contr_coeff * metrics["contrastive"]
        for reconstruct in self.bottleneck:
            metrics["ceb"] = reconstruct(logits.detach(), list(features.values()))
            objective = objective + self.lib * metrics["ceb"]
        self.optimizer.zero_grad()
        objective.backward()
        self.optimizer.step()
        losses = zip(self.model.modalities, unimodal.unbind(), strict=True)
        metrics |= {"objective": objective, **{f"loss_{m}": value for m, value in losses}}
        detached = {name: value.detach() for name, value in metrics.items()}
        return {**batch_metrics(logits, labels, loss), **detached}

    def _unimodal_losses(self, inputs: Inputs, features: Features, labels: Tensor) -> Tensor:
        """CE(u_m) of each modality: (M,)."""
        if self.heads:
            logits = [head(features[m]) for m, head in self.heads.items()]
            return torch.stack([F.cross_entropy(u, labels) for u in logits])
        absent = self.model.absent_features(inputs, features, "zero_feature")
        return modality_losses("unimodal", self.model, features, absent, labels)

    def permutations(self, rows: int) -> Features:
        """S permutations of the rows for each modality, {m: (S, rows)}, from the own generator.

        Two modalities share them, as they are never permuted together; three have their own.
        """
        names, device = self.model.modalities, self.generator.device
        draws = 1 if len(names) == 2 else len(names)
        shape = (draws, self.num_samples, rows)
        orders = torch.rand(shape, generator=self.generator, device=device).argsort(-1)
        return dict(zip(names, orders.expand(len(names), -1, -1).unbind(), strict=True))

    def _divergences(self, inputs: Inputs, features: Features, logits: Tensor) -> list[Tensor]:
        """J(S_A, N)_k of every term."""
        permutations = self.permutations(len(logits))
        own = logits
        if not self.model.heads:
            with evaluating(self.model.fusion):
                own = self.model.fusion(features)
        own = own.detach() if self.detach_own else own
        if self.permuted_features == "eval":
            with evaluating(self.model.encoders):
                features = self.model.encode(inputs)
        if not self.model.heads:
            return [
                divergence(self._joint_logits(permuted(features, t, permutations)), own)
                for t in self.terms
            ]
        heads = output_layers(self.model)
        contributions = {m: F.linear(features[m], head.weight) for m, head in heads.items()}
        bias = sum(head.bias for head in heads.values() if head.bias is not None)
        each = (permuted(contributions, t, permutations) for t in self.terms)
        return [divergence(reduce(torch.add, parts.values()) + bias, own) for parts in each]

    def _joint_logits(self, features: Features) -> Tensor:
        """Fused logits (S, B, C) of a fusion without heads, from {m: (S, B, D_m)}."""
        with evaluating(self.model.fusion):
            logits = self.model.fusion({m: phi.flatten(0, 1) for m, phi in features.items()})
        return logits.unflatten(0, (self.num_samples, -1))

    def _named(self, divergences: Sequence[Tensor]) -> dict[str, Tensor]:
        """The value of J for each modality that the game permutes alone."""
        pairs = zip(self.terms, divergences, strict=True)
        return {f"divergence_{t.permuted[0]}": j for t, j in pairs if len(t.permuted) == 1}

    def state_dict(self) -> dict[str, Any]:
        own = {"heads": self.heads.state_dict(), "bottleneck": self.bottleneck.state_dict()}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        # First: they give the optimiser's weights shapes.
        self.heads.load_state_dict(state["heads"])
        self.bottleneck.load_state_dict(state["bottleneck"])
        super().load_state_dict(state)

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        if len(modalities) not in (2, 3):
            return "MCR's games are defined for two and three modalities"
        return None


@dataclass(frozen=True)
class Term:
    """sign * J(S_A, N): the modalities A are `permuted`, the contributions of `constant` are
    constants in S_A."""

    sign: float
    permuted: tuple[str, ...]
    constant: tuple[str, ...] = ()


def game_terms(
    names: Sequence[str], game: Game, constants: Released = "all", sets: Released = "all"
) -> list[Term]:
    """What R sums, over the non-empty sets A of some but not all of two or three modalities.

    greedy: sum_k ( -sum_{A with k} J(S_A)_k + sum_{A without k} J(S_A)_k ); independent: the first
    part; collaborative: -sum_A J(S_A), without constants.
    """
    proper = [a for size in range(1, len(names)) for a in combinations(names, size)]
    if game == "collaborative":
        if sets == "released" and len(names) == 3:
            return [Term(-3.0, proper[0]), *(Term(-1.0, a) for a in proper if len(a) == 2)]
        return [Term(-1.0, a) for a in proper]
    able = names if constants == "all" or len(names) == 2 else names[-1:]
    terms = []
    for k in names:
        constant = tuple(m for m in able if m != k)
        terms += [Term(-1.0, a, constant) for a in proper if k in a]
        if game == "greedy":
            terms += [Term(1.0, a, constant) for a in proper if k not in a]
    return terms


def permuted(
    values: Mapping[str, Tensor], term: Term, permutations: Mapping[str, Tensor]
) -> Features:
    """Values {m: (B, X)} as the term wants them, once for each permutation: {m: (S, B, X)}."""
    found = {}
    for m, value in values.items():
        kept = value.detach() if m in term.constant else value
        order = permutations[m]
        found[m] = kept[order] if m in term.permuted else kept.expand(len(order), -1, -1)
    return found


def divergence(first: Tensor, second: Tensor) -> Tensor:
    """J: mean over rows of the Jensen-Shannon divergence (natural logarithm) of the softmaxes.

    Logits (..., C) that broadcast; probabilities are at least 1e-20.
    """
    p, q = (z.softmax(-1).clamp_min(1e-20) for z in (first, second))
    mean = ((p + q) / 2).log()
    return (p * (p.log() - mean) + q * (q.log() - mean)).sum(-1).mean() / 2


def contrastive(features: Sequence[Tensor], labels: Tensor, temperature: float) -> Tensor:
    """Con, from each modality's features (B, D_m) and the labels (B,).

    The rows of all modalities are one set. For each ordered pair (a, p) of different rows of the
    same label, of one modality too: -log( e_ap / (e_ap + sum of e_an over rows n of other labels) )
    with e = exp(cosine / temperature); the mean over pairs.
    """
    widest = max(phi.shape[1] for phi in features)
    unit = [F.pad(F.normalize(phi), (0, widest - phi.shape[1])) for phi in features]
    rows = torch.cat(unit)
    similarity = rows @ rows.T / temperature
    every = labels.repeat(len(features))
    same = every[:, None] == every
    lowest = torch.finfo(similarity.dtype).min
    negatives = similarity.masked_fill(same, lowest).logsumexp(1, keepdim=True)
    losses = torch.logaddexp(similarity, negatives) - similarity
    pairs = same & ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    return (losses * pairs).sum() / pairs.sum()


class Reconstruction(LazyModuleMixin, nn.Module):
    """CEB: mean square over B x sum D of the features minus G(logits).

    G is linear (C -> D), ReLU, linear (D -> sum D), without biases; D is the mean width. It takes
    its shape from its first input, its weights from `generator` with torch's default distribution.
    """

    def __init__(self, generator: torch.Generator, like: Tensor) -> None:
        super().__init__()
        self.generator = generator
        self.inner = nn.UninitializedParameter(device=like.device, dtype=like.dtype)  # type: ignore[call-arg]
        self.outer = nn.UninitializedParameter(device=like.device, dtype=like.dtype)  # type: ignore[call-arg]

    @torch.no_grad()
    def initialize_parameters(self, logits: Tensor, features: Sequence[Tensor]) -> None:
        """Called by torch before the first call."""
        if not self.has_uninitialized_params():
            return
        total = sum(phi.shape[1] for phi in features)
        width = total // len(features)
        self.inner.materialize((width, logits.shape[1]))
        self.outer.materialize((total, width))
        for weight in (self.inner, self.outer):
            bound = weight.shape[1] ** -0.5
            weight.uniform_(-bound, bound, generator=self.generator)

    def forward(self, logits: Tensor, features: Sequence[Tensor]) -> Tensor:
        """From logits (B, C) without gradient and features (B, D_m), one tensor per modality."""
        guess = F.linear(F.linear(logits, self.inner).relu(), self.outer)
        return F.mse_loss(torch.cat(list(features), 1), guess)
