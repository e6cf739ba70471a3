"""MCR: the terms, the game and its constants, and the vectors made with its published code."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.joint_train import JointTrain
from baselines.mcr import MCR, Term, contrastive, divergence, game_terms
from msam.model import Features, MultimodalModel
from tests.baselines.host_sync import forbidden_host_sync
from tests.baselines.resuming import differences_after_resuming
from tests.baselines.tanh_networks import (
    batch_of,
    encoders_of,
    joint_fusion,
    late_fusion,
    named_parameters,
    optim_of,
    with_shared_bias,
)
from tests.golden_format import assert_golden, assert_parameters, f64, golden, load
from tests.tiny import (
    MODALITIES,
    OPTIM,
    STILL,
    changed,
    snapshot,
    tiny_batches,
    tiny_model,
    train,
)

Case = dict[str, Any]
setting = pytest.mark.parametrize("fusion", ["late", "early"])
modalities = pytest.mark.parametrize("count", [2, 3])
GAME = {"w_aux": 0.0, "contr_coeff": 0.0}  # the game alone


class GivenPermutations(MCR):
    """MCR with the permutations in `given`, {m: (S, N)}, instead of random ones."""

    given: Features

    def permutations(self, rows: int) -> Features:
        return self.given


def _permutations(batch: Case) -> Features:
    """The file's: (S, N) for two modalities, (S, 4, N) for three, the fourth of no effect."""
    drawn = torch.tensor(batch["perms"])
    if drawn.ndim == 2:
        drawn = drawn[:, None].expand(-1, len(batch["x"]), -1)
    return {str(m): drawn[:, m] for m in range(len(batch["x"]))}


def _golden_method(given: Case, values: Case, **options: Any) -> tuple[MCR, dict[str, Tensor]]:
    """The file's network under MCR, and its live parameters under the file's names."""
    early = given.get("fusion") == "early"
    fusion = joint_fusion(values) if early else late_fusion(values)
    first = given.get("batch") or given["batches"][0]
    method = GivenPermutations(
        MultimodalModel(encoders_of(values), fusion),
        options.pop("optim", OPTIM),
        game=given["mode"],
        lam=given["l"],
        w_aux=given["w_aux"],
        contr_coeff=given["contr_coeff"],
        lib=given.get("lib", 0.0),
        num_samples=len(first["perms"]),
        **options,
    )
    features = [f64([[0.0] * len(values[f"encoder{m}.weight"])]) for m in method.heads]
    for head, phi in zip(method.heads.values(), features, strict=True):
        head(phi)  # gives its weights their shape
    named = with_shared_bias(named_parameters(method.model, method.heads), values)
    for reconstruct in method.bottleneck:
        reconstruct(f64([[0.0] * len(values["ceb1.weight"][0])]), features)
        named |= {"ceb1.weight": reconstruct.inner, "ceb2.weight": reconstruct.outer}
    load(named, values)
    return method, named


def _assert_metrics(metrics: dict[str, Tensor], expected: Case) -> None:
    """Every number of the file but the parameters and their gradients."""
    for name, value in expected.items():
        if name not in ("params", "grads"):
            assert_golden(metrics["objective" if name == "total" else name], value, name)


@golden("mcr_terms")
def test_terms_are_the_published_ones(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    if given["term"] == "divergence":
        leaves = [f64(given[name]).requires_grad_() for name in ("logits_1", "logits_2")]
        value = divergence(*leaves)
    else:
        leaves = [f64(phi).requires_grad_() for phi in given["features"]]
        value = contrastive(leaves, torch.tensor(given["labels"]), given["temperature"])
    value.backward()
    assert_golden(value, expected["value"])
    for leaf, gradient in zip(leaves, expected["grads"], strict=True):
        assert_golden(leaf.grad, gradient, "gradient")


@golden("mcr_gradient")
def test_gradient_is_the_published_one(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    method, named = _golden_method(given, given["params"], optim=STILL)
    method.given = _permutations(given["batch"])
    metrics = method.step(*batch_of(given["batch"]))
    _assert_metrics(metrics, expected)
    nothing = {name: torch.zeros_like(p) for name, p in named.items()}
    found = {n: nothing[n] if p.grad is None else p.grad for n, p in named.items()}
    assert_parameters(found, expected["grads"])


@golden("mcr_trajectory")
def test_trajectory_is_the_published_one(case: Case) -> None:
    given = case["inputs"]
    method, named = _golden_method(given, given["init"], optim=optim_of(given))
    for batch, expected in zip(given["batches"], case["outputs"]["steps"], strict=True):
        method.given = _permutations(batch)
        _assert_metrics(method.step(*batch_of(batch)), expected)
        assert_parameters(named, expected["params"])


@golden("mcr_three")
def test_three_modalities_are_trained_as_published(case: Case) -> None:
    given = case["inputs"]
    options = {"constants": given["constants"], "sets": "released", "optim": optim_of(given)}
    method, named = _golden_method(given, given["init"], **options)
    for batch, expected in zip(given["batches"], case["outputs"]["steps"], strict=True):
        method.given = _permutations(batch)
        _assert_metrics(method.step(*batch_of(batch)), expected)
        assert_parameters(named, expected["params"])


def test_divergence_by_hand() -> None:
    """Certain and opposite predictions differ by ln 2, equal ones by nothing."""
    first, second = f64([[1e3, 0.0]]), f64([[0.0, 1e3]])
    assert divergence(first, second).item() == pytest.approx(math.log(2))
    assert divergence(first, first).item() == 0.0
    rows = torch.cat([first, first])
    assert divergence(rows, torch.cat([first, second])).item() == pytest.approx(math.log(2) / 2)


def test_contrastive_term_counts_pairs_of_one_modality_too_by_hand() -> None:
    """Two samples of one class in two modalities, all in one direction: no negatives, 0. With a
    third sample opposite to them, each of the 12 + 2 pairs has its own negatives."""
    one = f64([[1.0, 0.0], [2.0, 0.0]])
    assert contrastive([one, one], torch.tensor([0, 0]), 0.5).item() == 0.0
    three = f64([[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0]])
    far, near = math.exp(-2), math.exp(2)
    expected = (12 * math.log((near + 2 * far) / near) + 2 * math.log((near + 4 * far) / near)) / 14
    found = contrastive([three, three], torch.tensor([0, 0, 1]), 0.5)
    assert found.item() == pytest.approx(expected)


def test_contrastive_term_pads_narrow_features_with_zeros() -> None:
    narrow, wide = torch.randn(4, 3).double(), torch.randn(4, 5).double()
    padded = torch.cat([narrow, torch.zeros(4, 2).double()], 1)
    labels = torch.tensor([0, 1, 0, 2])
    expected = contrastive([padded, wide], labels, 0.5)
    torch.testing.assert_close(contrastive([narrow, wide], labels, 0.5), expected)


def test_vanishing_features_have_a_finite_contrastive_gradient() -> None:
    features = [torch.zeros(3, 2).requires_grad_() for _ in range(2)]
    contrastive(features, torch.tensor([0, 1, 1]), 0.5).backward()
    assert all(torch.isfinite(phi.grad).all() for phi in features)


def test_terms_of_two_modalities() -> None:
    a, b = "a", "b"
    own = [Term(-1.0, (a,), (b,)), Term(-1.0, (b,), (a,))]
    foreign = [Term(1.0, (b,), (b,)), Term(1.0, (a,), (a,))]
    assert set(game_terms((a, b), "greedy")) == {*own, *foreign}
    assert set(game_terms((a, b), "independent")) == {*own}
    assert set(game_terms((a, b), "collaborative")) == {Term(-1.0, (a,)), Term(-1.0, (b,))}
    for game in ("greedy", "independent", "collaborative"):
        assert game_terms((a, b), game, "released", "released") == game_terms((a, b), game)


def test_terms_of_three_modalities() -> None:
    greedy = game_terms(MODALITIES, "greedy")
    assert (sum(t.sign < 0 for t in greedy), sum(t.sign > 0 for t in greedy)) == (9, 9)
    assert all(len(t.constant) == 2 for t in greedy)
    assert all((set(t.permuted) <= set(t.constant)) == (t.sign > 0) for t in greedy)
    released = game_terms(MODALITIES, "greedy", "released")
    assert {t.constant for t in released} == {("text",), ()}
    sets = {t.permuted: t.sign for t in game_terms(MODALITIES, "collaborative")}
    assert list(sets.values()) == [-1.0] * 6


@modalities
def test_permutations_are_drawn_from_the_own_generator_and_shared_by_two(count: int) -> None:
    method = MCR(tiny_model(count), OPTIM, num_samples=3)
    first, second = method.permutations(7), method.permutations(7)
    for orders in (*first.values(), *second.values()):
        assert orders.sort(-1).values.tolist() == [list(range(7))] * 3
    assert not torch.equal(first["audio"], second["audio"])
    assert torch.equal(first["audio"], first["visual"]) == (count == 2)
    assert not torch.equal(first["audio"][0], first["audio"][1])


def _still(rows: int, names: tuple[str, ...]) -> Features:
    return {m: torch.arange(rows).expand(2, -1) for m in names}


@modalities
@setting
def test_a_permutation_that_moves_nothing_changes_no_prediction(fusion: str, count: int) -> None:
    method = GivenPermutations(tiny_model(count, fusion, dropout=0.5), OPTIM, **GAME)
    method.given = _still(8, method.model.modalities)
    for inputs, labels in tiny_batches(2, count):
        metrics = method.step(inputs, labels)
        assert all(
            metrics[f"divergence_{m}"].abs() < 1e-12 and metrics[f"loss_{m}"] > 0
            for m in method.model.modalities
        )


@setting
def test_greedy_game_of_two_has_the_value_zero_and_a_gradient(fusion: str) -> None:
    runs = [MCR(tiny_model(2, fusion), STILL, lam=lam, **GAME) for lam in (0.0, 5.0)]
    for method in runs:
        metrics = method.step(*tiny_batches(1)[0])
    assert metrics["regulariser"].abs() < 1e-12
    plain, played = ({n: p.grad for n, p in m.model.named_parameters()} for m in runs)
    encoders = [name for name in plain if name.startswith("encoders")]
    assert all((played[n] - plain[n]).abs().max() > 1e-9 for n in encoders)
    biases = [n for n in plain if n.startswith("fusion") and n.endswith("bias")]
    for name in biases:  # the same pull with both signs
        torch.testing.assert_close(played[name], plain[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("detach_own", [False, True])
def test_the_own_logits_pull_on_every_player_unless_detached(detach_own: bool) -> None:
    """Independent game, all permutations still but one modality's: only it would be a player."""
    model = tiny_model(2)
    method = GivenPermutations(model, STILL, game="independent", detach_own=detach_own, **GAME)
    still = torch.arange(8).expand(2, -1)
    method.given = {"audio": still, "visual": still.flip(1)}
    train(method, tiny_batches(1))
    plain = tiny_model(2)
    train(JointTrain(plain, STILL), tiny_batches(1))
    moved = {
        name
        for (name, p), q in zip(model.named_parameters(), plain.parameters(), strict=True)
        if (p.grad - q.grad).abs().max() > 1e-9
    }
    assert any("encoders.visual" in name for name in moved)
    assert any("encoders.audio" in name for name in moved) == (not detach_own)


@modalities
@setting
def test_features_may_come_from_a_second_pass_in_evaluation_mode(fusion: str, count: int) -> None:
    model = tiny_model(count, fusion)
    method = MCR(model, OPTIM, permuted_features="eval")
    modes: list[bool] = []
    encoder = model.encoders["audio"]
    encoder.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    train(method, tiny_batches(1, count))
    assert modes == [True, False]


@pytest.mark.parametrize(
    "options",
    [
        {"game": "independent", "detach_own": True},
        {"game": "collaborative", "sets": "released"},
        {"constants": "released", "permuted_features": "eval"},
        {"heads": "fusion", "lib": 1.0},
        MCR.published,
    ],
    ids=str,
)
@setting
def test_no_option_waits_for_the_host_and_every_option_resumes(
    fusion: str, options: dict[str, Any]
) -> None:
    def build() -> MCR:
        return MCR(tiny_model(3, fusion), OPTIM, **options)

    method = build()
    for inputs, labels in tiny_batches(2, 3):
        with forbidden_host_sync():
            method.step(inputs, labels)
    assert not differences_after_resuming(build, tiny_batches(2, 3), 1, 3)


def test_the_bottleneck_reaches_the_features_and_not_the_logits() -> None:
    """CEB alone: encoders learn from it, the fusion does not."""
    runs = [MCR(tiny_model(), STILL, lam=0.0, lib=lib, **GAME) for lib in (0.0, 1.0)]
    for method in runs:
        train(method, tiny_batches(1))
    plain, found = ({n: p.grad for n, p in m.model.named_parameters()} for m in runs)
    assert {n.split(".")[0] for n in changed(plain, found)} == {"encoders"}
    assert all(p.grad.any() for p in runs[1].bottleneck.parameters())


def test_unimodal_heads_train_the_encoders() -> None:
    runs = [
        MCR(tiny_model(), STILL, lam=0.0, contr_coeff=0.0, w_aux=weight) for weight in (0.0, 1.0)
    ]
    for method in runs:
        train(method, tiny_batches(1))
    plain, found = ({n: p.grad for n, p in m.model.named_parameters()} for m in runs)
    assert any(n.startswith("encoders.audio") for n in changed(plain, found))
    assert all(p.grad is not None for p in runs[1].heads.parameters())


def test_shared_heads_are_those_of_the_fusion() -> None:
    method = MCR(tiny_model(), STILL, heads="fusion")
    assert not len(method.heads)
    [(inputs, labels)] = tiny_batches(1)
    logits = method.model.fusion.modality_logits(method.model.encode(inputs))
    expected = nn.functional.cross_entropy(logits["audio"], labels).item()
    assert method.step(inputs, labels)["loss_audio"].item() == pytest.approx(expected)


@setting
def test_batchnorm_of_the_joint_block_sees_no_permuted_rows(fusion: str) -> None:
    found = []
    for method_class in (JointTrain, MCR):
        model = tiny_model(2, fusion)
        train(method_class(model, STILL), tiny_batches(2))
        found.append({n: v for n, v in snapshot(model).items() if "running" in n})
    assert found[0] and not changed(*found)


def test_one_and_four_modalities_are_not_supported() -> None:
    assert MCR.unsupported(("a",), "late") is not None
    assert MCR.unsupported(("a", "b", "c", "d"), "late") is not None
    assert MCR.unsupported(MODALITIES, "early") is None
