"""The multimodal network of the paper (Eq. 2-3): one encoder per modality, then a fusion module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

Inputs = dict[str, Tensor]  # modality -> (B, *input_shape)
Features = dict[str, Tensor]  # modality -> (B, D_m)
Absent = Literal["zero_feature", "zero_input"]


class MultimodalModel(nn.Module):
    """Phi(x) = f^s(phi_1, ..., phi_M) with phi_m = f_m^e(x_m), Eq. 3.

    `encoders` maps each modality to a module (B, *input_shape) -> (B, D_m). `fusion` is a module
    with `forward(features) -> (B, C)`, such as `LateFusion` and `EarlyFusion`. Where the T segments
    of a sample are classified one by one, encoders give (B * T, D_m), sample by sample, and the
    labels are (B * T,): everything behind the encoders sees a batch of segments.
    """

    def __init__(self, encoders: Mapping[str, nn.Module], fusion: nn.Module) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.fusion = fusion

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities in the order in which they were given."""
        return tuple(self.encoders)

    def encode(self, inputs: Inputs) -> Features:
        """Encodes each modality on its own: (B, *input_shape) -> (B, D_m)."""
        return {m: encoder(inputs[m]) for m, encoder in self.encoders.items()}

    def forward(self, inputs: Inputs) -> Tensor:
        """Fused logits (B, C)."""
        return self.fusion(self.encode(inputs))  # type: ignore[no-any-return]

    @property
    def heads(self) -> dict[str, nn.Module]:
        """Each modality's own head, {} for a fusion that has none (no `heads`)."""
        return dict(getattr(self.fusion, "heads", {}))

    def modality_parameters(self, modality: str) -> list[nn.Parameter]:
        """theta_m: the encoder's parameters, and those of the modality's own head if it has one."""
        parameters = list(self.encoders[modality].parameters())
        if modality in self.heads:
            parameters += self.heads[modality].parameters()
        return parameters

    def modality_logits(self, features: Features, absent: Features) -> dict[str, Tensor]:
        """What each modality says alone, {m: (B, C)}: its own head if the fusion has heads, else
        the fused logits with every other modality absent."""
        if isinstance(self.fusion, LateFusion):
            return self.fusion.modality_logits(features)
        return {m: self.fusion(present_only(features, absent, {m})) for m in self.modalities}

    def logits_without(self, modality: str, features: Features, absent: Features) -> Tensor:
        """The fused logits (B, C) when one of several modalities is not there: the fusion of the
        other heads if the fusion has heads, else the fused logits with that modality absent."""
        others = {m: phi for m, phi in features.items() if m != modality}
        if isinstance(self.fusion, LateFusion):
            return self.fusion(others)  # type: ignore[no-any-return]
        return self.fusion(present_only(features, absent, set(others)))  # type: ignore[no-any-return]

    @torch.no_grad()
    def absent_features(self, inputs: Inputs, features: Features, absent: Absent) -> Features:
        """Features {m: (1, D_m)} that stand for a modality that is not there.

        `zero_feature`: zeros. `zero_input`: the encoding of one all-zero sample, (T, D_m) where it
        has T segments, in evaluation mode, AGM's reading (AGM_ICCV2023@5a65542,
        model/CREMAD_net.py:101-105).
        """
        if absent == "zero_feature":
            return {m: torch.zeros_like(phi[:1]) for m, phi in features.items()}
        with evaluating(self.encoders):
            return self.encode({m: torch.zeros_like(x[:1]) for m, x in inputs.items()})


def present_only(features: Features, absent: Features, present: set[str]) -> Features:
    """`features` (B, D_m) where only the modalities in `present` are there.

    `absent` has the rows of one sample, (1, D_m) or (T, D_m) where a sample has T segments.
    """
    return {m: phi if m in present else _repeated(absent[m], phi) for m, phi in features.items()}


def _repeated(rows: Tensor, like: Tensor) -> Tensor:
    """The rows (T, D) over and over: (B, D). One row is not copied."""
    return rows.expand(len(like) // len(rows), *rows.shape).reshape(like.shape)


class LateFusion(nn.Module):
    """The sum of one linear head per modality; equal to one linear layer on the concatenation.

    `widths` maps each modality to its feature width D_m.
    """

    def __init__(self, widths: Mapping[str, int], classes: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({m: nn.Linear(width, classes) for m, width in widths.items()})

    def forward(self, features: Features) -> Tensor:
        """Fused logits (B, C)."""
        return sum(self.modality_logits(features).values())  # type: ignore[return-value]

    def modality_logits(self, features: Features) -> dict[str, Tensor]:
        """Each head's logits {m: (B, C)}; a modality that `features` lacks is left out."""
        return {m: head(features[m]) for m, head in self.heads.items() if m in features}


class Maxout(nn.Module):
    """Maxout layer (Goodfellow et al. 2013): (..., D) -> (..., units), the maximum over `pieces`
    linear maps. The pieces of one unit are neighbouring rows of the weight."""

    def __init__(self, width: int, units: int, pieces: int = 2) -> None:
        super().__init__()
        self.linear = nn.Linear(width, units * pieces)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(-1, (-1, self.pieces)).amax(-1)  # type: ignore[no-any-return]


class EarlyFusion(nn.Module):
    """Joint MaxOut network on the concatenated features, then one linear classifier.

    Sizes, dropout and the first normalisation's eps of 1e-4 are those of the AGM code
    (AGM_ICCV2023@5a65542, model/utils/module_base.py:63-103).
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        classes: int,
        hidden: Sequence[int] = (2048, 1024),
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.modalities = tuple(widths)  # the order of the concatenation
        width = sum(widths.values())
        layers: list[nn.Module] = [nn.BatchNorm1d(width, eps=1e-4)]
        for units in hidden:
            layers += [Maxout(width, units), nn.BatchNorm1d(units), nn.Dropout(dropout)]
            width = units
        self.block = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, classes)

    def forward(self, features: Features) -> Tensor:
        """Fused logits (B, C)."""
        joint = torch.cat([features[m] for m in self.modalities], dim=1)
        return self.classifier(self.block(joint))  # type: ignore[no-any-return]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; every submodule's own mode comes back afterwards.

    The way back runs `train(...)` too: a layer that overrides it, such as LoRA layers that merge
    their weights for evaluation, undoes there what it did.
    """
    modes = [(child, child.training) for child in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for child, mode in modes:  # parents first: their `train` reaches the children
            if child.training != mode:
                child.train(mode)
        for child, mode in modes:  # an override of `train` may have set another mode
            child.training = mode
