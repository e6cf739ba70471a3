"""MLA against the vectors made with its published code, and what we defined."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.mla import MLA, EntropyFusion, FixedFusion, entropy_weights
from msam.model import LateFusion, MultimodalModel
from msam.optim import OptimConfig
from tests.baselines.cases import model_for, train_epochs
from tests.baselines.resuming import differences_after_resuming
from tests.golden_format import ConvEncoder, assert_golden, f64, golden, load
from tests.tiny import MODALITIES, OPTIM, WIDTHS, changed, snapshot, tiny_batches, tiny_model

Case = dict[str, Any]


def _method(
    modalities: list[str], width: int, classes: int, optim: OptimConfig = OPTIM, **params: Any
) -> MLA:
    encoders: dict[str, nn.Module] = {m: ConvEncoder(padding=1) for m in modalities}
    fusion = LateFusion(dict.fromkeys(modalities, width), classes)
    return MLA(MultimodalModel(encoders, fusion).double(), optim, **params)


def _check_projection(case: Case, projection: str) -> None:
    given = case["inputs"]
    names, width = ["audio", "visual"], given["width"]
    method = _method(names, width, given["classes"], projection=projection)
    method.steps_per_epoch = given["steps_per_epoch"]
    for call, expected in zip(given["calls"], case["outputs"]["calls"], strict=True):
        method.batch.fill_(call["batch_index"])
        gradient = f64(call["grad_weight"])
        method.project(gradient, f64(call["features"]))
        assert_golden(method.projector, expected["P"], "P")
        assert_golden(gradient, expected["grad_weight"], "grad_weight")


@golden("mla_projection")
def test_projection_of_the_code(case: Case) -> None:
    if case["inputs"]["projects"]:
        _check_projection(case, "code")
        return
    pairs = zip(case["inputs"]["calls"], case["outputs"]["calls"], strict=True)
    for call, expected in pairs:  # as released: what 'none' does
        assert_golden(call["grad_weight"], expected["grad_weight"])
        assert_golden(torch.eye(case["inputs"]["width"]), expected["P"])


@golden("mla_projection_rls")
def test_projection_by_least_squares(case: Case) -> None:
    _check_projection(case, "rls")


@golden("mla_entropy_weights")
def test_fusion_rules(case: Case) -> None:
    """The released weights of a whole batch (`*_batch`) are left out on purpose."""
    logits, expected = f64(case["inputs"]["logits"]), case["outputs"]
    assert_golden(entropy_weights(logits), expected["weights_sample"], "weights")
    names = list(MODALITIES[: len(logits)])
    features = dict(zip(names, logits, strict=True))
    heads = nn.ModuleDict({m: nn.Identity() for m in names})
    fused = EntropyFusion(heads)(features)
    assert_golden(fused, expected["fused_sample"], "fused")
    assert fused.argmax(1).tolist() == expected["prediction_sample"]
    method = _method(names, 4, logits.shape[2], fusion_rule="fixed")
    method.model.fusion.heads = heads
    assert_golden(method.model.fusion(features), expected["fused_fixed"], "fixed")
    mean = _method(names, 4, logits.shape[2], fusion_rule="mean").model.fusion
    mean.heads = heads
    assert_golden(mean(features), logits.mean(0), "mean")


def _named(method: MLA) -> dict[str, Tensor]:
    """The live parameters under the file's names."""
    layers = {f"enc.{m}.conv": encoder.conv for m, encoder in method.model.encoders.items()}
    layers["head"] = next(iter(method.model.heads.values()))
    return {
        f"{n}.{k}": getattr(layer, k) for n, layer in layers.items() for k in ("weight", "bias")
    }


def _turns(given: Case, nudge: float) -> tuple[list[dict[str, Tensor]], Tensor]:
    """The parameters after every turn and the last P; the first ones are `nudge` too large."""
    names, found = given["modalities"], []
    method = _method(
        names,
        4,
        given["classes"],
        OptimConfig(lr=0.05, momentum=0.9, weight_decay=1e-4),  # the file's text
        idle="zeros" if given["zero_grad_sets_zeros"] else "skip",
        projection="code" if given["projects"] else "none",
    )
    method.steps_per_epoch = given["steps_per_epoch"]
    load(_named(method), {n: (1 + nudge) * f64(v) for n, v in given["params"].items()})
    method.optimizer.register_step_post_hook(
        lambda *_: found.append({n: p.detach().clone() for n, p in _named(method).items()})
    )
    for batch in given["batches"]:
        inputs = {m: f64(batch[m])[:, None] for m in names}
        method.step(inputs, torch.tensor(batch["labels"]))
    return found, method.projector


@golden("mla_trajectory")
def test_trajectory(case: Case) -> None:
    """To 1e-8 and, after divisions by nearly nothing, to what rounding does to the numbers."""
    given, expected = case["inputs"], case["outputs"]
    turns, projector = _turns(given, 0.0)
    rounded, moved = _turns(given, 1e-15)
    for found, twin, turn in zip(turns, rounded, expected["substeps"], strict=True):
        assert found.keys() == turn["params"].keys()
        for name, parameter in found.items():
            _assert_close(parameter, twin[name], turn["params"][name], name)
    if given["projects"]:
        _assert_close(projector, moved, expected["P"], "P")


def _assert_close(found: Tensor, twin: Tensor, expected: Any, what: str) -> None:
    """As `assert_golden`, but for ten times the distance of the twin."""
    expected = f64(expected)
    allowed = max(1e-8 * expected.abs().max().item(), 10 * (twin - found).abs().max().item())
    assert allowed < 1e-5, f"{what}: rounding alone changes it by {allowed / 10}"
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=allowed, msg=what)


def _mla(count: int = 2, **params: Any) -> MLA:
    return MLA(model_for("mla", count, "late"), OPTIM, **params)


def test_modalities_share_one_head_with_one_momentum() -> None:
    method = _mla(3)
    heads = list(method.model.heads.values())
    assert all(head is heads[0] for head in heads)
    assert len(list(method.model.fusion.parameters())) == 2
    own = _mla(3, shared_head=False)
    assert len(list(own.model.fusion.parameters())) == 6


def test_the_names_of_the_weights_stay() -> None:
    before = model_for("mla", 3, "late").state_dict().keys()
    for rule in ("entropy", "fixed", "mean"):
        assert _mla(3, fusion_rule=rule).model.state_dict().keys() == before


def test_all_modalities_are_encoded_before_the_first_turn() -> None:
    method, [(inputs, labels)] = _mla(), tiny_batches()
    calls = []
    for m, encoder in method.model.encoders.items():
        encoder.register_forward_hook(lambda *_, m=m: calls.append(m))
    method.optimizer.register_step_pre_hook(lambda *_: calls.append("step"))
    method.step(inputs, labels)
    assert calls == ["audio", "visual", "step", "step"]


def test_an_idle_encoder_moves_with_zeros_alone() -> None:
    """The first modality's, in the second one's turn."""
    for idle, moves in (("zeros", True), ("skip", False)):
        method, [batch] = _mla(idle=idle), tiny_batches()
        seen = []
        method.optimizer.register_step_post_hook(
            lambda *_, m=method, s=seen: s.append(snapshot(m.model.encoders["audio"]))
        )
        method.step(*batch)
        assert bool(changed(*seen)) == moves
        assert all(p.grad is None for p in method.model.parameters())


@pytest.mark.parametrize("projection", ["code", "rls"])
def test_a_projection_turns_the_weight_alone(projection: str) -> None:
    """In the second turn of a run; the bias's gradient stays."""
    plain, other = _mla(), _mla(projection=projection)
    gradients = []
    for method in (plain, other):
        method.steps_per_epoch = 1
        head, found = method.model.heads["audio"], []
        method.optimizer.register_step_pre_hook(
            lambda *_, h=head, f=found: f.append((h.weight.grad.clone(), h.bias.grad.clone()))
        )
        method.step(*tiny_batches()[0])
        gradients.append(found)
    (first, second), (projected, turned) = gradients
    assert torch.equal(first[0], projected[0]) and torch.equal(first[1], projected[1])
    assert not torch.equal(second[0], turned[0]) and torch.equal(second[1], turned[1])


def test_the_previous_turns_mean_is_the_other_modalitys() -> None:
    method = _mla(projection="rls", features="previous")
    method.steps_per_epoch = 4
    rng = torch.Generator().manual_seed(0)
    first, second = (torch.randn(6, 5, generator=rng).double() for _ in range(2))
    gradient = torch.ones(3, 5).double()
    method.project(gradient.clone(), first)
    assert torch.equal(method.projector, torch.eye(5).double())
    method.project(gradient, second)
    r, a = first.mean(0), 0.1
    expected = torch.eye(5).double() - r.outer(r) / (a + r.dot(r))
    torch.testing.assert_close(method.projector, expected)
    torch.testing.assert_close(gradient, torch.ones(3, 5).double() @ expected)


def test_the_projector_is_kept_over_epochs_and_the_batches_are_counted_anew() -> None:
    method = _mla(projection="code")
    train_epochs(method, tiny_batches(3), 0, 1)
    before = method.projector.clone()
    assert method.batch == 0
    assert not torch.equal(before, torch.eye(5).double())
    method.step(*tiny_batches()[0])
    assert method.batch == 1 and method.steps_per_epoch == 3


@pytest.mark.parametrize("features", ["current", "previous"])
@pytest.mark.parametrize("projection", ["code", "rls"])
def test_a_projection_resumes(projection: str, features: str) -> None:
    def build() -> MLA:
        return _mla(projection=projection, features=features)

    assert not differences_after_resuming(build, tiny_batches(3), 2, 4)


def test_a_projection_without_the_number_of_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="steps_per_epoch"):
        _mla(projection="code").step(*tiny_batches()[0])


def test_settings_without_a_meaning_are_refused() -> None:
    late, early = (tiny_model(2, fusion) for fusion in ("late", "early"))
    with pytest.raises(ValueError, match="one width"):
        MLA(late, OPTIM)
    with pytest.raises(ValueError, match="early fusion"):
        MLA(early, OPTIM)
    with pytest.raises(ValueError, match="one modality alone"):
        MLA(tiny_model(1), OPTIM)
    with pytest.raises(ValueError, match="shared"):
        MLA(late, OPTIM, shared_head=False, projection="rls")
    lone = MultimodalModel(
        {m: late.encoders["audio"] for m in ("left", "right")},
        LateFusion(dict.fromkeys(("left", "right"), WIDTHS["audio"]), 3),
    )
    with pytest.raises(ValueError, match="left, right"):
        MLA(lone, OPTIM, fusion_rule="fixed")


def test_a_prediction_does_not_depend_on_its_neighbours() -> None:
    method, [(inputs, _)] = _mla(), tiny_batches()
    assert isinstance(method.model.fusion, EntropyFusion)
    method.model.eval()
    whole = method.model(inputs)
    alone = method.model({m: x[:1] for m, x in inputs.items()})
    torch.testing.assert_close(whole[:1], alone)
    assert isinstance(_mla(fusion_rule="mean").model.fusion, FixedFusion)
