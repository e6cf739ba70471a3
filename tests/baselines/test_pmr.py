"""PMR against the vectors made with its published code and TCMax's, and what we defined."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.pmr import PMR, batch_entropy, coefficients_of, distances, prototype_loss
from benchmarks.training.epoch import show_features, surveyed_batches
from msam.model import Features, LateFusion, MultimodalModel
from msam.optim import OptimConfig
from tests.baselines.cases import train_epochs
from tests.baselines.resuming import differences_after_resuming
from tests.golden_format import ConvEncoder, assert_golden, assert_parameters, f64, golden, load
from tests.tiny import OPTIM, STILL, ConcatFusion, changed, snapshot, tiny_batches, tiny_model

Case = dict[str, Any]


class Given(nn.Module):
    """An encoder whose features (B, D) are its parameter, whatever it gets."""

    def __init__(self, features: Any) -> None:
        super().__init__()
        self.features = nn.Parameter(f64(features))

    def forward(self, x: Tensor) -> Tensor:
        return self.features * 1


class GivenLogits(nn.Module):
    """A fusion whose logits (B, C) are its parameter; `head` says how many classes there are."""

    def __init__(self, logits: Any) -> None:
        super().__init__()
        self.logits = nn.Parameter(f64(logits))
        self.head = nn.Linear(1, self.logits.shape[1])

    def forward(self, features: Features) -> Tensor:
        return self.logits * 1


def _given(
    features: dict[str, Any], fusion: nn.Module, prototypes: dict[str, Any], **params: Any
) -> PMR:
    """PMR on given features and prototypes; its steps move nothing."""
    model = MultimodalModel({m: Given(phi) for m, phi in features.items()}, fusion).double()
    method = PMR(model, STILL, **params)
    method.prototypes |= {m: f64(rows) for m, rows in prototypes.items()}
    method.seen.fill_(True)
    return method


def _step(method: PMR, labels: Any) -> dict[str, Tensor]:
    return method.step(dict.fromkeys(method.model.modalities), torch.tensor(labels))


def _gradient(method: PMR, m: str) -> Tensor:
    features = method.model.encoders[m].features
    return torch.zeros_like(features) if features.grad is None else features.grad


def _named_heads(fusion: nn.Module) -> dict[str, nn.Linear]:
    """The code's names of the last layers."""
    if isinstance(fusion, LateFusion):
        return {"fc_x": fusion.heads["audio"], "fc_y": fusion.heads["visual"]}
    return {"fc_out": fusion.head}


def _parameters(fusion: nn.Module) -> dict[str, Tensor]:
    layers = _named_heads(fusion).items()
    return {f"{name}.{k}": getattr(layer, k) for name, layer in layers for k in ("weight", "bias")}


def _fusion(given: Case, widths: dict[str, int], classes: int) -> nn.Module:
    if given["fusion"] == "sum":
        return LateFusion(widths, classes).double()
    return ConcatFusion(sum(widths.values()), classes).double()


def _two(given: Case, what: str) -> dict[str, Any]:
    return {m: given[f"{what}_{m}"] for m in ("audio", "visual")}


@golden("pmr_loss")
def test_a_step_on_given_features(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    features, prototypes = _two(given, "feature"), _two(given, "prototypes")
    fusion = _fusion(
        given, {m: len(phi[0]) for m, phi in features.items()}, len(prototypes["audio"])
    )
    load(_parameters(fusion), given["head"])
    window = {name: given[name] for name in ("modulation_starts", "modulation_ends")}
    method = _given(features, fusion, prototypes, alpha=given["alpha"], **window)
    method.epoch = given["epoch"]
    labels = torch.tensor(given["labels"])
    metrics = _step(method, given["labels"])
    assert_golden(metrics["objective"], expected["loss"], "loss")
    for m, phi in features.items():
        apart = distances(f64(phi), method.prototypes[m])
        assert_golden(apart, expected[f"distance_{m}"], f"distance_{m}")
        loss = prototype_loss(-apart, method.seen[labels], labels)
        assert_golden(loss, expected[f"loss_proto_{m}"], f"loss_proto_{m}")
        assert_golden(_gradient(method, m), expected[f"grad_feature_{m}"], f"gradient of {m}")
    for name, parameter in _parameters(fusion).items():
        assert_golden(parameter.grad, expected["grad_head"][name], name)


@golden("pmr_modalities")
@pytest.mark.parametrize("rule", ["behind", "weakest", "graded"])
def test_rules_for_any_number_of_modalities(case: Case, rule: str) -> None:
    given, expected = case["inputs"], case["outputs"][rule]
    names = [str(index) for index in range(len(given["features"]))]
    features = dict(zip(names, given["features"], strict=True))
    prototypes = dict(zip(names, given["prototypes"], strict=True))
    alpha, fusion = given["alpha"], GivenLogits(given["logits"])
    method = _given(features, fusion, prototypes, alpha=alpha, rule=rule)
    metrics = _step(method, given["labels"])
    assert_golden(metrics["objective"], expected["loss"])
    found = torch.stack([metrics[f"coefficient_{m}"] for m in names])
    assert_golden(found, expected["coefficients"])
    assert_golden(torch.stack([_gradient(method, m) for m in names]), expected["grad_features"])


@golden("pmr_clip_loss")
def test_graded_rule_with_the_entropy_term(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    params = {"alpha": given["alpha"], "mu": given["mu"], "rule": "graded"}
    fusion = GivenLogits(given["logits"])
    method = _given(_two(given, "feature"), fusion, _two(given, "prototypes"), **params)
    metrics = _step(method, given["labels"])
    assert_golden(metrics["objective"], expected["loss"])
    assert_golden(fusion.logits.grad, expected["grad_logits"])
    for m in ("audio", "visual"):
        assert_golden(metrics[f"coefficient_{m}"], expected[f"coefficient_{m}"], m)
        assert_golden(_gradient(method, m), expected[f"grad_feature_{m}"], f"gradient of {m}")


@golden("pmr_prototypes")
def test_prototypes_of_a_pass(case: Case) -> None:
    """The file counts the epoch that ended; a class without a row is our departure."""
    given, expected = case["inputs"], case["outputs"]
    sizes = given["batch_sizes"]
    used = surveyed_batches(1.0 if given["every_batch"] else 0.1, len(sizes))
    assert used == expected["batches_used"]
    rows = sum(sizes[:used])
    features = {m: f64(given[f"feature_{m}"][:rows]) for m in ("audio", "visual")}
    fusion = GivenLogits(torch.zeros(1, given["classes"]))
    method = _given(features, fusion, {}, momentum=given["momentum"])
    olds = {m: given[f"old_{m}"] for m in features if given[f"old_{m}"] is not None}
    method.prototypes |= {m: f64(old) for m, old in olds.items()}
    method.seen.fill_(bool(olds))
    method.epoch = given["epoch"] + 1
    method.observe(features, torch.tensor(given["labels"][:rows]))
    for m in features:
        for k, row in enumerate(expected[f"prototypes_{m}"]):
            if None not in row:
                assert method.seen[k]
                assert_golden(method.prototypes[m][k], row, f"class {k} of {m}")
            elif olds:
                assert_golden(method.prototypes[m][k], olds[m][k], f"class {k} of {m}")
            else:
                assert not method.seen[k]


class Setup:
    """The network of a trajectory, and its live parameters under the file's names."""

    def __init__(self, given: Case) -> None:
        encoders = {m: ConvEncoder(padding=1) for m in ("audio", "visual")}
        fusion = _fusion(given, dict.fromkeys(encoders, 4), given["classes"])
        self.model = MultimodalModel(encoders, fusion).double()
        params = ("alpha", "momentum", "modulation_starts", "modulation_ends")
        optim = OptimConfig(lr=0.05, momentum=0.9, weight_decay=1e-4)  # the file's text
        self.method = PMR(self.model, optim, **{name: given[name] for name in params})
        self.batches = [
            ({m: f64(b[m])[:, None] for m in encoders}, torch.tensor(b["labels"]))
            for b in given["batches"]
        ]
        load(self.parameters(), given["params"])

    def parameters(self) -> dict[str, Tensor]:
        named = {f"fusion_module.{n}": p for n, p in _parameters(self.model.fusion).items()}
        for m, encoder in self.model.encoders.items():
            named |= {f"{m}_net.conv.{k}": getattr(encoder.conv, k) for k in ("weight", "bias")}
        return named

    def assert_prototypes(self, expected: Case, name: str) -> None:
        for m, rows in self.method.prototypes.items():
            assert_golden(rows, expected[f"{name}_{m}"], f"{name}_{m}")


@golden("pmr_trajectory")
def test_trajectory(case: Case) -> None:
    setup = Setup(case["inputs"])
    method, expected = setup.method, case["outputs"]
    show_features(method, setup.batches[:1])
    setup.assert_prototypes(expected, "first")
    for order, epoch in zip(case["inputs"]["order"], expected["epochs"], strict=True):
        for index, step in zip(order, epoch["steps"], strict=True):
            metrics = method.step(*setup.batches[index])
            assert_golden(metrics["objective"], step["loss"], "loss")
            assert_parameters(setup.parameters(), step["params"])
        method.end_epoch({})
        show_features(method, setup.batches[:1])
        setup.assert_prototypes(epoch, "prototypes")


def _seen_but(*unseen: int) -> tuple[PMR, Tensor]:
    """PMR with three classes, of which some have no prototype; and labels of all three."""
    rng = torch.Generator().manual_seed(0)
    features = {m: torch.randn(6, 4, generator=rng) for m in ("audio", "visual")}
    method = _given(features, GivenLogits(torch.zeros(6, 3)), {}, mu=0.1)
    method.seen.fill_(False)
    seen = torch.tensor([k for k in (0, 1, 2, 0, 1, 2) if k not in unseen])
    shown = {m: torch.randn(len(seen), 4, generator=rng).double() for m in features}
    method.observe(shown, seen)
    return method, torch.tensor([0, 1, 2, 0, 1, 2])


def test_a_class_never_seen_takes_no_part() -> None:
    method, labels = _seen_but(2)
    known = labels < 2
    features = {m: e.features.detach() for m, e in method.model.encoders.items()}
    _, term = method.prototype_term(features, labels)
    assert torch.isfinite(term)
    metrics = _step(method, labels.tolist())
    assert torch.isfinite(metrics["objective"])
    for m, encoder in method.model.encoders.items():
        assert torch.isfinite(encoder.features.grad).all(), m
    nearness = -distances(features["audio"], method.prototypes["audio"])
    loss = prototype_loss(nearness.masked_fill(~method.seen, -torch.inf), known, labels)
    kept = nn.functional.cross_entropy(nearness[known, :2], labels[known])
    torch.testing.assert_close(loss, kept)
    entropies = torch.distributions.Categorical(logits=nearness[:, :2].T).entropy()
    torch.testing.assert_close(batch_entropy(nearness, method.seen), entropies.mean())


def test_a_batch_of_unseen_classes_alone_adds_nothing() -> None:
    method, _ = _seen_but(2)
    _, term = method.prototype_term(
        {m: e.features for m, e in method.model.encoders.items()}, torch.full((6,), 2)
    )
    assert term.item() == 0


def test_a_class_without_a_row_keeps_its_prototype() -> None:
    method, _ = _seen_but()
    before = {m: rows.clone() for m, rows in method.prototypes.items()}
    method.epoch = 3
    method.observe({m: torch.ones(2, 4).double() for m in before}, torch.tensor([0, 1]))
    for m, rows in method.prototypes.items():
        assert torch.equal(rows[2], before[m][2])
        assert torch.equal(rows[:2], torch.ones(2, 4).double())
    assert method.seen.all()


def test_a_feature_on_its_prototype_has_a_gradient() -> None:
    method, labels = _seen_but()
    for m, encoder in method.model.encoders.items():
        encoder.features.data[0] = method.prototypes[m][0]
    _step(method, labels.tolist())
    assert all(torch.isfinite(e.features.grad).all() for e in method.model.encoders.values())


@pytest.mark.parametrize("rule", ["behind", "weakest", "graded"])
def test_equal_scores_help_nobody(rule) -> None:
    for score in (0.0, 1.5):
        assert not coefficients_of(torch.full((3,), score), rule).any()


def test_prototypes_are_constants_for_the_gradient() -> None:
    method, _ = _seen_but()
    assert not any(rows.requires_grad for rows in method.prototypes.values())
    running = PMR(tiny_model(), OPTIM, prototypes="running")
    train_epochs(running, tiny_batches(2), 0, 2)
    assert not any(rows.requires_grad for rows in running.prototypes.values())


def test_running_prototypes_are_the_means_of_the_epoch_before() -> None:
    method = PMR(tiny_model(), OPTIM, prototypes="running")
    assert method.survey == 0
    shown = {m: [] for m in method.model.modalities}
    for m, encoder in method.model.encoders.items():
        encoder.register_forward_hook(lambda _, x, out, m=m: shown[m].append(out.detach()))
    batches = tiny_batches(3)
    train_epochs(method, batches, 0, 1)
    assert method.phase
    labels = torch.cat([y for _, y in batches])
    for m, rows in method.prototypes.items():
        for k in range(3):
            mean = torch.cat(shown[m])[labels == k].mean(0)
            torch.testing.assert_close(rows[k], mean)
    assert not any(total.any() for total in method.sums.values())


@pytest.mark.parametrize("params", [{"momentum": 0.5}, {"prototypes": "running", "momentum": 0.5}])
def test_every_kind_of_prototypes_resumes(params) -> None:
    def build() -> PMR:
        return PMR(tiny_model(), OPTIM, **params)

    assert not differences_after_resuming(build, tiny_batches(3), 3, 5)


def test_nothing_is_shown_where_it_would_not_be_used() -> None:
    assert PMR(tiny_model(), OPTIM, alpha=0.0).survey == 0
    method = PMR(tiny_model(), OPTIM, share=0.3, modulation_ends=1)
    shares = []
    for method.epoch in range(3):
        shares.append(method.survey)
    assert shares == [0.3, 0.3, 0]


def test_outside_the_window_it_is_plain_training() -> None:
    models = [tiny_model() for _ in range(2)]
    for model, params in zip(models, ({"modulation_starts": 9}, {"alpha": 0.0}), strict=True):
        train_epochs(PMR(model, OPTIM, **params), tiny_batches(2), 0, 3)
    assert not changed(*map(snapshot, models))


def test_settings_without_a_meaning_are_refused() -> None:
    with pytest.raises(ValueError, match="one modality alone"):
        PMR(tiny_model(1), OPTIM)
    with pytest.raises(ValueError, match="two modalities"):
        PMR(tiny_model(3), OPTIM, mu=0.1)
    with pytest.raises(ValueError, match="share"):
        PMR(tiny_model(), OPTIM, share=0.0)
