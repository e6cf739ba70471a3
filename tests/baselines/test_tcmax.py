"""TCMax: its golden vectors, its loss by brute force, and its passes through the joint network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import log
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines import tcmax
from baselines.tcmax import TCMax, early_loss, every_pair, late_loss, sampled_loss
from msam.model import Features, LateFusion, MultimodalModel
from msam.optim import OptimConfig
from tests.baselines.host_sync import forbidden_host_sync
from tests.golden_format import assert_golden, assert_parameters, f64, golden, load
from tests.tiny import (
    MODALITIES,
    OPTIM,
    STILL,
    ConcatFusion,
    changed,
    snapshot,
    tiny_batches,
    tiny_model,
    train,
    weights,
)

Case = dict[str, Any]
setting = pytest.mark.parametrize("fusion", ["late", "early"])
modalities = pytest.mark.parametrize("count", [2, 3])


class Given(nn.Module):
    """An encoder whose features (B, D) are parameters, so that their gradient can be read."""

    def __init__(self, features: Any) -> None:
        super().__init__()
        self.features = nn.Parameter(f64(features))

    def forward(self, x: Tensor) -> Tensor:
        return self.features


class TanhEncoder(nn.Linear):
    """The files' encoder: (B, I) -> (B, D)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).tanh()


class TanhFusion(nn.Module):
    """The files' joint block: {m: (B, D)} -> (B, C)."""

    def __init__(self, width: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.joint1, self.joint2 = nn.Linear(width, hidden), nn.Linear(hidden, classes)

    def forward(self, features: Features) -> Tensor:
        joint = torch.cat(list(features.values()), dim=1)
        return self.joint2(self.joint1(joint).tanh())


class Replayed(TCMax):
    """TCMax with given draws, one list of rows for each modality."""

    rows: Sequence[Sequence[int]]

    def draw(self, size: int, device: torch.device) -> list[Tensor]:
        return [torch.tensor(rows) for rows in self.rows]


def _identity_heads(logits: Sequence[Any]) -> MultimodalModel:
    """A late-fusion model whose features and heads' outputs are the given logits, (B, C) each."""
    names = [str(number) for number in range(len(logits))]
    fusion = LateFusion(dict.fromkeys(names, len(logits[0][0])), len(logits[0][0])).double()
    with torch.no_grad():
        for head in fusion.heads.values():
            nn.init.eye_(head.weight)
            nn.init.zeros_(head.bias)
    encoders = {m: Given(z) for m, z in zip(names, logits, strict=True)}
    return MultimodalModel(encoders, fusion)


def _step(method: TCMax, labels: Sequence[int]) -> dict[str, Tensor]:
    """A step of a method whose encoders ignore their inputs."""
    return method.step(dict.fromkeys(method.model.modalities, f64([0.0])), torch.tensor(labels))


@golden("tcmax_loss")
def test_late_loss_and_its_gradient(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    model = _identity_heads([given["logits_0"], given["logits_1"]])
    metrics = _step(TCMax(model, STILL), given["labels"])
    assert_golden(metrics["objective"], expected["loss"], "loss")
    for number in (0, 1):
        found = model.encoders[str(number)].features.grad
        assert_golden(found, expected[f"grad_logits_{number}"], f"grad_logits_{number}")


@golden("tcmax_loss")
def test_late_pair_losses_and_their_gradient(case: Case) -> None:
    """Their sum is what `objective='pairs'` trains on."""
    given, expected = case["inputs"], case["outputs"]
    model = _identity_heads([given["logits_0"], given["logits_1"]])
    metrics = _step(TCMax(model, STILL, objective="pairs"), given["labels"])
    assert_golden(metrics["objective"], expected["pair_0"] + expected["pair_1"], "pairs")
    gradients = f64(expected["grad_pair_0"]) + f64(expected["grad_pair_1"])
    for number in (0, 1):
        assert_golden(model.encoders[str(number)].features.grad, gradients[number])


@golden("tcmax_three")
def test_late_loss_of_more_modalities(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    model = _identity_heads(given["logits"])
    metrics = _step(TCMax(model, STILL), given["labels"])
    assert_golden(metrics["objective"], expected["loss"], "loss")
    for m, gradient in zip(model.modalities, expected["grads"], strict=True):
        assert_golden(model.encoders[m].features.grad, gradient, m)


def _gradients(model: MultimodalModel, layers: dict[str, nn.Module], names: Any) -> dict:
    """The gradients under the file's names: `features_M`, or a layer's name and `weight`."""
    found = {}
    for name in names:
        if name.startswith("features_"):
            found[name] = model.encoders[name.removeprefix("features_")].features.grad
        else:
            layer, kind = name.rsplit(".", 1)
            found[name] = getattr(layers[layer], kind).grad
    return found


@torch.no_grad()
def _load_layers(layers: dict[str, nn.Module], given: Case) -> None:
    for name, layer in layers.items():
        layer.weight.copy_(f64(given[f"{name}.weight"]))
        layer.bias.copy_(f64(given[f"{name}.bias"]))


@golden("tcmax_joint")
def test_early_loss_and_its_gradient(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    hidden, width = f64(given["joint1.weight"]).shape
    fusion = TanhFusion(width, hidden, len(given["joint2.bias"])).double()
    layers = dict(fusion.named_children())
    _load_layers(layers, given)
    model = MultimodalModel({m: Given(given[f"features_{m}"]) for m in "01"}, fusion)
    metrics = _step(TCMax(model, STILL), given["labels"])
    assert_golden(metrics["objective"], expected["loss"], "loss")
    assert_parameters(_gradients(model, layers, expected["grads"]), expected["grads"])
    metrics = _step(TCMax(model, STILL, objective="pairs"), given["labels"])
    assert_golden(metrics["objective"], expected["pair_0"] + expected["pair_1"], "pairs")


@golden("tcmax_sample")
def test_sampled_loss_and_its_gradient(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    classes, width = f64(given["head0.weight"]).shape
    fusion = LateFusion({"0": width, "1": width}, classes).double()
    layers = {f"head{m}": head for m, head in fusion.heads.items()}
    _load_layers(layers, given)
    model = MultimodalModel({m: Given(given[f"features_{m}"]) for m in "01"}, fusion)
    method = Replayed(model, STILL, pairs="batch")
    method.rows = [given["rows_0"], given["rows_1"]]
    metrics = _step(method, given["labels"])
    assert_golden(metrics["objective"], expected["loss"], "loss")
    assert_parameters(_gradients(model, layers, expected["grads"]), expected["grads"])


def _trajectory(given: Case) -> tuple[MultimodalModel, dict[str, Tensor]]:
    """The files' network, and its live parameters under the file's names."""
    shapes = {name: f64(value).shape for name, value in given["init"].items()}
    layers: dict[str, nn.Module] = {}
    for m in "01":
        width, size = shapes[f"encoder{m}.weight"]
        layers[f"encoder{m}"] = TanhEncoder(size, width)
    if given["fusion"] == "late":
        widths = {m: shapes[f"head{m}.weight"][1] for m in "01"}
        fusion: nn.Module = LateFusion(widths, shapes["head0.bias"][0])
        layers |= {f"head{m}": head for m, head in fusion.heads.items()}
    else:
        hidden, width = shapes["joint1.weight"]
        fusion = TanhFusion(width, hidden, shapes["joint2.bias"][0])
        layers |= dict(fusion.named_children())
    model = MultimodalModel({m: layers[f"encoder{m}"] for m in "01"}, fusion).double()
    named = {f"{n}.{k}": p for n, layer in layers.items() for k, p in layer.named_parameters()}
    load(named, given["init"])
    return model, named


@golden("tcmax_trajectory")
def test_trajectory(case: Case) -> None:
    given = case["inputs"]
    model, named = _trajectory(given)
    settings = {key: given[key] for key in ("lr", "momentum", "weight_decay")}
    method = TCMax(model, OptimConfig(**settings))
    for batch, expected in zip(given["batches"], case["outputs"]["steps"], strict=True):
        inputs = {m: f64(x) for m, x in zip("01", batch["x"], strict=True)}
        metrics = method.step(inputs, torch.tensor(batch["y"]))
        assert_golden(metrics["objective"], expected["loss"], "loss")
        assert_parameters(named, expected["params"])


def _logits(count: int, rows: int = 4, classes: int = 3) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(count)
    logits = torch.randn(count, rows, classes, generator=rng, dtype=torch.float64)
    return logits, torch.randint(classes, (rows,), generator=rng)


@modalities
def test_loss_is_a_softmax_over_all_combinations_and_classes(count: int) -> None:
    """Brute force over the N^M C entries, matched combinations and every class among them."""
    logits, labels = _logits(count)
    entries = [
        sum(logits[m, row] for m, row in enumerate(rows))
        for rows in product(range(4), repeat=count)
    ]
    total = torch.stack(entries).logsumexp((0, 1))
    true = [logits[:, i, y].sum() for i, y in enumerate(labels.tolist())]
    expected = total - torch.stack(true).mean() - log(4)
    torch.testing.assert_close(late_loss(logits, labels), expected)


@modalities
def test_drawing_every_combination_once_gives_the_exact_loss(count: int) -> None:
    logits, labels = _logits(count)
    rows = torch.tensor(list(product(range(4), repeat=count))).T
    drawn = sum(z[r] for z, r in zip(logits, rows, strict=True))
    found = sampled_loss(logits.sum(0), drawn, labels, count)
    torch.testing.assert_close(found, late_loss(logits, labels))


def _early(logits: Tensor, labels: Tensor, objective: str = "joint") -> Tensor:
    return early_loss(logits[0][:, None] + logits[1][None], labels, objective)


@pytest.mark.parametrize("objective", ["joint", "pairs"])
def test_an_additive_joint_network_has_the_late_loss(objective: str) -> None:
    logits, labels = _logits(2)
    expected = late_loss(logits, labels, objective)
    torch.testing.assert_close(_early(logits, labels, objective), expected)


def test_known_values() -> None:
    """Equal logits give log(N C); one sample gives its cross-entropy."""
    labels = torch.tensor([0, 1, 1, 2])
    assert late_loss(torch.zeros(2, 4, 3), labels).item() == pytest.approx(log(12))
    logits, labels = _logits(3, rows=1)
    torch.testing.assert_close(late_loss(logits, labels), F.cross_entropy(logits.sum(0), labels))


def test_large_logits_do_not_overflow() -> None:
    logits, labels = _logits(2)
    large = (1000 * logits).float()
    for value in (late_loss(large, labels), _early(large, labels)):
        assert value.isfinite()


def test_every_pair_has_the_first_modalitys_sample_first() -> None:
    features = {"a": torch.tensor([[0.0], [1.0]]), "b": torch.tensor([[10.0], [20.0]])}
    found = every_pair(features)
    assert found["a"].flatten().tolist() == [0, 0, 1, 1]
    assert found["b"].flatten().tolist() == [10, 20, 10, 20]


@modalities
def test_a_linear_joint_network_trains_as_late_fusion_does(count: int) -> None:
    """With the same draws: all pairs of two modalities, and the batch's own rows of three."""
    late = tiny_model(count)
    joint = ConcatFusion(sum(h.in_features for h in late.heads.values()), 3).double()
    with torch.no_grad():
        joint.head.weight.copy_(torch.cat([h.weight for h in late.heads.values()], 1))
        joint.head.bias.copy_(sum(h.bias for h in late.heads.values()))
    early = MultimodalModel(tiny_model(count).encoders, joint)
    methods = [TCMax(model, STILL, pairs="auto" if count == 2 else 5) for model in (late, early)]
    for method in methods:
        method.generator.manual_seed(3)
        method.step(*tiny_batches(1, count)[0])
    for p, q in zip(late.encoders.parameters(), early.encoders.parameters(), strict=True):
        torch.testing.assert_close(q.grad, p.grad)


@pytest.mark.parametrize("pairs", ["auto", "batch", 5])
def test_the_joint_network_sees_one_population_and_records_the_matched_rows(pairs: Any) -> None:
    """One pass with gradient, of all rows that the loss compares; BatchNorm records the batch's own
    pass, which comes first and is what Joint-Train records."""
    model = tiny_model(fusion="early")
    passes = []
    model.fusion.register_forward_hook(lambda _m, _x, z: passes.append((len(z), z.requires_grad)))
    train(TCMax(model, OPTIM, pairs=pairs), tiny_batches(1))
    rows = {"auto": 8 * 8, "batch": 8 + 8, 5: 8 + 5}[pairs]
    assert passes == [(8, False), (rows, True)]
    assert model.fusion.block[0].num_batches_tracked == 1


def test_auto_takes_all_pairs_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    early, late = TCMax(tiny_model(fusion="early"), OPTIM), TCMax(tiny_model(), OPTIM)
    three = TCMax(tiny_model(3, "early"), OPTIM)
    assert early._takes_all(128) and not early._takes_all(129)
    assert late._takes_all(10_000) and not three._takes_all(2)
    monkeypatch.setattr(tcmax, "MOST_ROWS", 63)
    methods = [TCMax(tiny_model(fusion="early"), OPTIM, pairs=p) for p in ("auto", "batch", "all")]
    for method in methods:
        method.generator.manual_seed(0)
        train(method, tiny_batches(1))
    auto, batch, every = (weights(method.model) for method in methods)
    assert not changed(auto, batch)
    assert changed(auto, every)


@modalities
def test_draws_are_rows_of_the_batch_from_the_methods_generator(count: int) -> None:
    method = TCMax(tiny_model(count), OPTIM, pairs=500)
    state = method.generator.get_state()
    drawn = method.draw(8, torch.device("cpu"))
    assert [len(rows) for rows in drawn] == [500] * count
    assert all(set(rows.tolist()) == set(range(8)) for rows in drawn)
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(method.generator.get_state(), state)
    first, *others = TCMax(tiny_model(count), OPTIM, pairs="batch").draw(8, torch.device("cpu"))
    assert first.tolist() == list(range(8))
    assert [len(rows) for rows in others] == [8] * (count - 1)


@setting
def test_prediction_is_the_ordinary_fused_one(fusion: str) -> None:
    model, twin = tiny_model(fusion=fusion), tiny_model(fusion=fusion)
    TCMax(model, OPTIM)
    assert not changed(snapshot(twin), snapshot(model))
    assert type(model.fusion) is type(twin.fusion)


@pytest.mark.parametrize(
    "options", [{"pairs": "batch"}, {"pairs": 5}, {"pairs": "all"}, {"objective": "pairs"}], ids=str
)
@setting
def test_no_option_waits_for_the_host(fusion: str, options: dict[str, Any]) -> None:
    method = TCMax(tiny_model(2, fusion), OPTIM, **options)
    for inputs, labels in tiny_batches(2):
        with forbidden_host_sync():
            method.step(inputs, labels)


@pytest.mark.parametrize(
    ("count", "fusion", "params", "reason"),
    [
        (1, "late", {}, "one modality"),
        (3, "early", {"pairs": "all"}, r"N\^3"),
        (3, "early", {"objective": "pairs"}, r"N\^3"),
        (2, "late", {"objective": "pairs", "pairs": 5}, "pairs=5"),
        (2, "early", {"objective": "pairs", "pairs": "batch"}, "pairs=batch"),
        (3, "early", {}, None),
        (3, "early", {"pairs": 5}, None),
        (3, "late", {"pairs": "all", "objective": "pairs"}, None),
    ],
)
def test_what_is_not_supported_says_why(
    count: int, fusion: str, params: dict[str, Any], reason: str | None
) -> None:
    said = TCMax.unsupported(MODALITIES[:count], fusion, **params)
    if reason is None:
        assert said is None
        TCMax(tiny_model(count, fusion), OPTIM, **params)
        return
    with pytest.raises(ValueError, match=reason):
        TCMax(tiny_model(count, fusion), OPTIM, **params)
    assert said is not None


@pytest.mark.parametrize("pairs", [0, "most", 2.5])
def test_a_wrong_number_of_pairs_is_refused(pairs: Any) -> None:
    with pytest.raises(ValueError, match="pairs"):
        TCMax(tiny_model(), OPTIM, pairs=pairs)
