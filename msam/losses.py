"""The loss of each modality, for the readings of Eq. 4 in which they differ (ledger row 4)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from msam.model import Features, MultimodalModel, evaluating
from msam.shapley import mono_modal_responses

Split = Literal["scalar", "response", "unimodal"]


def modality_losses(
    split: Split, model: MultimodalModel, features: Features, absent: Features, labels: Tensor
) -> Tensor:
    """L_m of each modality, (M,), with gradient; the first equality in line 4 of Algorithm 1.

    From features {m: (B, D_m)}, the features that stand for absence {m: (1, D_m)} and labels (B,).
    `response`: cross-entropy of the mono-modal response Phi_m (Eq. 17). `unimodal`: cross-entropy
    of the modality alone. Both run the fusion in evaluation mode, as AGM does, so that the absent
    modalities never enter BatchNorm's statistics. Unlike there, no gradient flows through the
    features that stand for absence. The `scalar` split, L_m = nu_m L, does not use this.
    """
    with evaluating(model.fusion):
        if split == "response":
            logits = mono_modal_responses(model.fusion, features, absent)
        else:
            logits = model.modality_logits(features, absent)
    return torch.stack([F.cross_entropy(z, labels) for z in logits.values()])
