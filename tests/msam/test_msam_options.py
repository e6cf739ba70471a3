"""Each option of M-SAM does what its row of the spec ledger says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from msam.model import Features, MultimodalModel, evaluating
from msam.msam import MSAM
from msam.optim import OptimConfig
from msam.shapley import contributions, mono_modal_responses
from tests.tiny import (
    MODALITIES,
    OPTIM,
    STILL,
    changed,
    deviation,
    fixed_msam,
    snapshot,
    tiny_batches,
    tiny_model,
    watched_passes,
    weights,
)

fusions = pytest.mark.parametrize("fusion", ["late", "early"])
RHO = 0.3


def trained_model(count: int, fusion: str) -> MultimodalModel:
    """A model whose running statistics differ from its batch's and from their initial values."""
    model = tiny_model(count, fusion)
    with torch.no_grad():
        for inputs, _ in tiny_batches(3, count, seed=5):
            model({m: 1 + 2 * x for m, x in inputs.items()})
        for name, p in model.named_parameters():
            p.add_(0.3 * torch.randn_like(p) if "bias" in name else 0.0)
    return model


def measured(model: MultimodalModel, **params: str) -> dict[str, float]:
    """The contributions that a step reports; the weights stay where they are."""
    [(inputs, labels)] = tiny_batches(1, len(model.modalities))
    metrics = MSAM(model, STILL, rho=0.0, **params).step(inputs, labels)
    return {m: metrics[f"contribution_{m}"].item() for m in model.modalities}


@contextmanager
def unchanged(model: MultimodalModel) -> Iterator[None]:
    """Puts weights and statistics back at the end."""
    before = snapshot(model)
    yield
    model.load_state_dict(before)


def two_modal_shares(logits: dict[str, Tensor]) -> list[float]:
    """Eq. 19 corrected for two modalities, clipped and normalised, in plain arithmetic."""
    both, audio, visual = (
        true_class_probability(logits[key]) for key in ("both", "audio", "visual")
    )
    phi = [(both - visual + audio) / 2, (both - audio + visual) / 2]
    positive = [max(p, 0.0) for p in phi]
    return [p / sum(positive) for p in positive]


def true_class_probability(logits: Tensor) -> float:
    [(_, labels)] = tiny_batches()
    return torch.stack([z.softmax(0)[y] for z, y in zip(logits, labels, strict=True)]).mean().item()


def coalition_table(
    model: MultimodalModel, features: Features, absent: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Logits of the three coalitions in evaluation mode, written out."""
    audio, visual = features["audio"], features["visual"]
    no_audio, no_visual = absent["audio"].expand_as(audio), absent["visual"].expand_as(visual)
    with evaluating(model):
        return {
            "both": model.fusion({"audio": audio, "visual": visual}),
            "audio": model.fusion({"audio": audio, "visual": no_visual}),
            "visual": model.fusion({"audio": no_audio, "visual": visual}),
        }


@fusions
@pytest.mark.parametrize("absent", ["zero_feature", "zero_input"])
@pytest.mark.parametrize("coalitions", ["first_pass", "agm"])
def test_contributions_follow_their_definition(fusion: str, absent: str, coalitions: str) -> None:
    """`first_pass`: features in training mode, every fusion in evaluation mode. `agm`: the full
    response from the training-mode pass, the others from an encoding in evaluation mode."""
    model = trained_model(2, fusion)
    [(inputs, _)] = tiny_batches()
    with unchanged(model):
        found = measured(model, absent=absent, coalitions=coalitions)
    with torch.no_grad():  # records the batch in BatchNorm's statistics, as the step has done
        features = model.encode(inputs)
        logits = model.fusion(features)
    with evaluating(model), torch.no_grad():
        silence = model.encode({m: torch.zeros_like(x[:1]) for m, x in inputs.items()})
        if coalitions == "agm":
            features = model.encode(inputs)
    if absent == "zero_feature":
        silence = {m: torch.zeros_like(phi) for m, phi in silence.items()}
    table = coalition_table(model, features, silence)
    if coalitions == "agm":
        table["both"] = logits
    expected = two_modal_shares(table)
    assert list(found.values()) == pytest.approx(expected, rel=1e-10)


DIFFERENT = {
    "value": ["prob", "logit", "accuracy", "neg_loss", "response_prob"],
    "negatives": ["clip", "softmax"],
    "absent": ["zero_feature", "zero_input"],
    "coalitions": ["first_pass", "agm"],
}


@pytest.mark.parametrize("option", DIFFERENT)
def test_every_choice_of_an_option_gives_its_own_contributions(option: str) -> None:
    """With softmax, since clipping makes all contributions equal where all responses are negative,
    as those of `neg_loss` are."""
    model = trained_model(3, "early")
    found = []
    for choice in DIFFERENT[option]:
        with unchanged(model):
            found.append(measured(model, **{"negatives": "softmax", option: choice})["audio"])
    gaps = [abs(a - b) for i, a in enumerate(found) for b in found[:i]]
    assert min(gaps) > 1e-6


@pytest.mark.parametrize("negatives", ["clip", "raw", "softmax"])
def test_negatives_option_reaches_the_contributions(
    negatives: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"audio": torch.tensor(0.9).double(), "visual": torch.tensor(-0.4).double()}
    monkeypatch.setattr("msam.shapley.shapley_responses", lambda *_: scores)
    expected = {m: s.item() for m, s in contributions(scores, negatives).items()}
    assert measured(tiny_model(), negatives=negatives) == expected


def test_contributions_carry_no_gradient() -> None:
    model = tiny_model()
    [(inputs, labels)] = tiny_batches()
    features = model.encode(inputs)
    method = MSAM(model, OPTIM)
    shares = method.batch_contributions(inputs, features, model.fusion(features), labels)
    assert not any(s.requires_grad for s in shares.values())


@fusions
@pytest.mark.parametrize("coalitions", ["first_pass", "agm"])
@pytest.mark.parametrize("absent", ["zero_feature", "zero_input"])
def test_measuring_contributions_leaves_no_trace(fusion: str, coalitions: str, absent: str) -> None:
    model = tiny_model(3, fusion, dropout=0.3)
    [(inputs, labels)] = tiny_batches(1, 3)
    features = model.encode(inputs)
    logits = model.fusion(features)
    before, random_state = snapshot(model), torch.get_rng_state()
    method = MSAM(model, OPTIM, coalitions=coalitions, absent=absent)
    method.batch_contributions(inputs, features, logits, labels)
    assert not changed(before, snapshot(model))
    assert torch.equal(random_state, torch.get_rng_state())
    assert all(child.training for child in model.modules())


def moved_weights(model: MultimodalModel, shares: dict[str, float], **params: str) -> set[str]:
    """The weights that the second pass sees elsewhere; their joint distance must be rho."""
    [(inputs, labels)] = tiny_batches(1, len(shares))
    method = fixed_msam(model, OPTIM, shares, rho=RHO, **params)
    with watched_passes(model) as passes:
        method.step(inputs, labels)
    home, away = passes
    steps = torch.cat([(away[name] - home[name]).flatten() for name in home])
    assert steps.norm().item() == pytest.approx(RHO, rel=1e-9)
    return changed(home, away)


SHARES = {"audio": 0.2, "visual": 0.5, "text": 0.3}


@fusions
def test_scope_all_moves_every_weight(fusion: str) -> None:
    model = tiny_model(3, fusion)
    assert moved_weights(model, SHARES, scope="all") == weights(model).keys()


@pytest.mark.parametrize("split", ["scalar", "response"])
@fusions
def test_scope_dominant_moves_the_dominant_modality_only(fusion: str, split: str) -> None:
    model = tiny_model(3, fusion)
    own = set(map(id, model.modality_parameters("visual")))
    expected = {name for name, p in model.named_parameters() if id(p) in own}
    assert moved_weights(model, SHARES, scope="dominant", split=split) == expected


@fusions
def test_scope_encoders_moves_the_encoders_only(fusion: str) -> None:
    model = tiny_model(3, fusion)
    expected = {name for name in weights(model) if name.startswith("encoders.")}
    assert moved_weights(model, SHARES, scope="encoders") == expected


def modality_losses(model: MultimodalModel, split: str, inputs: dict, labels: Tensor) -> list:
    """L_m for the readings with losses per modality, written out with zero features."""
    features = model.encode(inputs)
    zeros = {m: torch.zeros_like(phi) for m, phi in features.items()}
    with evaluating(model.fusion):
        if split == "response":
            absent = {m: zero[:1] for m, zero in zeros.items()}
            logits = mono_modal_responses(model.fusion, features, absent)
        elif hasattr(model.fusion, "heads"):
            logits = {m: head(features[m]) for m, head in model.fusion.heads.items()}
        else:
            logits = {m: model.fusion({**zeros, m: features[m]}) for m in model.modalities}
    return [F.cross_entropy(logits[m], labels) for m in model.modalities]


@pytest.mark.parametrize("residual", ["exclude", "include"])
@pytest.mark.parametrize("split", ["response", "unimodal"])
@fusions
def test_split_with_losses_per_modality_is_algorithm_1_with_those_losses(
    fusion: str, split: str, residual: str
) -> None:
    """grad L_d(theta + eps) + grad L_s(theta); `include` counts L_d in L_s as well (Eq. 12)."""
    plain = OptimConfig(lr=1.0, momentum=0.0, weight_decay=0.0)
    model, twin = tiny_model(3, fusion), tiny_model(3, fusion)
    [(inputs, labels)] = tiny_batches(1, 3)
    fixed_msam(model, plain, SHARES, rho=RHO, split=split, residual=residual).step(inputs, labels)

    params, home = list(twin.parameters()), weights(twin)
    twin(inputs)  # the first pass, which BatchNorm records
    losses = modality_losses(twin, split, inputs, labels)
    rest = [loss for m, loss in zip(MODALITIES, losses, strict=True) if m != "visual"]
    if residual == "include":
        rest = losses
    options = {"retain_graph": True, "materialize_grads": True}
    ascent = torch.autograd.grad(losses[1], params, **options)
    clean = torch.autograd.grad(sum(rest), params, **options)
    norm = torch.cat([g.flatten() for g in ascent]).norm()
    for p, g in zip(params, ascent, strict=True):
        p.data = p.data + RHO * g / norm
    moved = modality_losses(twin, split, inputs, labels)[1]
    sharp = torch.autograd.grad(moved, params, materialize_grads=True)
    expected = {
        name: value - s - c for (name, value), s, c in zip(home.items(), sharp, clean, strict=True)
    }
    assert deviation(expected, weights(model)) < 1e-12


def test_report_of_a_step_is_the_clean_loss_whatever_the_split() -> None:
    [(inputs, labels)] = tiny_batches()
    expected = F.cross_entropy(tiny_model()(inputs), labels).item()
    for split in ("scalar", "response", "unimodal"):
        metrics = MSAM(tiny_model(), OPTIM, rho=RHO, split=split).step(inputs, labels)
        assert metrics["loss_mm"].item() == pytest.approx(expected, rel=1e-12)
