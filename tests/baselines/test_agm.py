"""AGM: responses and their gradient, coefficients, window, clipping."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.agm import AGM, modulated, response_scores
from baselines.joint_train import JointTrain
from msam.model import MultimodalModel
from msam.shapley import coalitions, shapley_responses
from tests.baselines.host_sync import forbidden_host_sync
from tests.baselines.resuming import differences_after_resuming
from tests.tiny import MODALITIES, OPTIM, STILL, Batch, tiny_batches, tiny_model, train

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of")  # epochs without steps
LABEL = torch.zeros(1, dtype=torch.long)
settings = pytest.mark.parametrize(
    ("count", "fusion"), [(m, f) for m in (2, 3) for f in ("late", "early")]
)


def _response(probability: float) -> Tensor:
    """Logits of two classes (1, 2) whose first class has this probability."""
    return torch.tensor([[math.log(probability / (1 - probability)), 0.0]], dtype=torch.float64)


def _responses(*probabilities: float) -> dict[str, Tensor]:
    names = MODALITIES[: len(probabilities)]
    return dict(zip(names, map(_response, probabilities), strict=True))


def _agm(count: int = 2, fusion: str = "late", **params: Any) -> AGM:
    return AGM(tiny_model(count, fusion), STILL, **{"clip": None, **params})


def _gradient(model: MultimodalModel) -> dict[str, Tensor]:
    """A copy of every gradient, zero where there is none."""
    return {
        n: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for n, p in model.named_parameters()
    }


def _close(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        torch.testing.assert_close(left[name], right[name], rtol=1e-9, atol=1e-12, msg=name)


def _plain(count: int, fusion: str, batches: list[Batch]) -> dict[str, Tensor]:
    method = JointTrain(tiny_model(count, fusion), STILL)
    train(method, batches)
    return _gradient(method.model)


def _padded(model: MultimodalModel, batch: Batch, coefficients: dict[str, float]) -> Tensor:
    """The published loss with a pass through the whole network for each coalition."""
    inputs, labels = batch
    everyone = frozenset(model.modalities)
    values = {everyone: model(inputs)}
    model.eval()
    for s in set(coalitions(model.modalities)) - {everyone}:
        values[s] = model({m: x if m in s else 0 * x for m, x in inputs.items()})
    model.train()
    responses = shapley_responses(values, model.modalities)
    scaled = [k * responses[m] + (1 - k) * responses[m].detach() for m, k in coefficients.items()]
    return F.cross_entropy(sum(scaled), labels)


@settings
def test_gradient_is_that_of_one_padded_pass_per_coalition(count: int, fusion: str) -> None:
    warm_up, batch = tiny_batches(2, count)
    method = _agm(count, fusion, alpha=2.0)
    train(method, [warm_up])  # running statistics and scores that are no longer trivial
    reference = tiny_model(count, fusion)
    reference(warm_up[0])
    metrics = method.step(*batch)
    coefficients = {m: metrics[f"coefficient_{m}"].item() for m in reference.modalities}
    assert max(coefficients.values()) - min(coefficients.values()) > 1e-3
    _padded(reference, batch, coefficients).backward()
    _close(_gradient(method.model), _gradient(reference))


@settings
def test_equal_coefficients_leave_the_plain_gradient(count: int, fusion: str) -> None:
    """The padded passes cancel, whatever they are."""
    batches = tiny_batches(1, count)
    method = _agm(count, fusion, alpha=0.0)
    train(method, batches)
    _close(_gradient(method.model), _plain(count, fusion, batches))


@settings
def test_each_encoder_runs_twice_a_step(count: int, fusion: str) -> None:
    method, calls = _agm(count, fusion), []
    for m, encoder in method.model.encoders.items():
        encoder.register_forward_hook(lambda *_, m=m: calls.append(m))
    train(method, tiny_batches(1, count))
    assert sorted(calls) == sorted(2 * method.model.modalities)


@pytest.mark.parametrize("absent", ["zero_input", "zero_feature"])
@settings
def test_first_pass_features_need_no_second_pass(count: int, fusion: str, absent: Any) -> None:
    method, modes = _agm(count, fusion, coalitions="first_pass", absent=absent), []
    encoder = method.model.encoders["visual"]
    encoder.register_forward_hook(lambda module, x, _: modes.append((module.training, len(x[0]))))
    train(method, tiny_batches(2, count))
    zero_pass = [(False, 1)] if absent == "zero_input" else []
    assert modes == 2 * [(True, 8), *zero_pass]


def test_zero_features_as_absence() -> None:
    """Phi_audio = (F - f_visual + f_audio) / 2, where an absent modality's head says its bias."""
    method = _agm(absent="zero_feature")
    model, heads = method.model, method.model.fusion.heads
    [(inputs, _)] = tiny_batches()
    features = model.encode(inputs)
    logits = model.fusion(features)
    found = method.responses(inputs, features, logits)
    model.eval()
    own = model.fusion.modality_logits(model.encode(inputs))
    alone_audio = own["audio"] + heads["visual"].bias
    alone_visual = own["visual"] + heads["audio"].bias
    torch.testing.assert_close(found["audio"], (logits - alone_visual + alone_audio) / 2)


@settings
def test_responses_sum_to_the_logits_of_the_training_pass(count: int, fusion: str) -> None:
    method = _agm(count, fusion)
    [(inputs, _)] = tiny_batches(1, count)
    features = method.model.encode(inputs)
    logits = method.model.fusion(features)
    found = method.responses(inputs, features, logits)
    torch.testing.assert_close(sum(found.values()), logits)


def test_two_modalities_by_hand() -> None:
    """p = 1/2 and 3/4: ratios 2/3 and 3/2 against 1, then against themselves."""
    method = _agm(alpha=0.6)
    method.update_coefficients(_responses(0.5, 0.75), LABEL)
    expected = [math.exp(0.6 * (1 - 2 / 3)), math.exp(0.6 * (1 - 3 / 2))]
    assert method.coefficients.tolist() == pytest.approx(expected, rel=1e-12)
    method.update_coefficients(_responses(0.5, 0.75), LABEL)
    assert method.coefficients.tolist() == pytest.approx([1, 1], rel=1e-12)


def test_three_modalities_by_hand() -> None:
    """Scores ln 2, ln 4, ln 8 lie ln 2 apart: the exponents are 3/2 ln 2, 0 and -3/2 ln 2."""
    method = _agm(3, alpha=1.0)
    method.update_coefficients(_responses(1 / 2, 1 / 4, 1 / 8), LABEL)
    expected = [math.exp(1 - 2**1.5), 1.0, math.exp(1 - 2**-1.5)]
    assert method.coefficients.tolist() == pytest.approx(expected, rel=1e-12)


def test_a_modality_better_than_its_usual_is_slowed() -> None:
    method = _agm()
    method.update_coefficients(_responses(0.5, 0.9), LABEL)
    method.update_coefficients(_responses(0.6, 0.9), LABEL)
    audio, visual = method.coefficients.tolist()
    assert audio < 1 < visual


def test_running_scores_are_the_plain_mean_of_all_epochs() -> None:
    method = _agm()
    for probability in (0.5, 0.25):
        method.update_coefficients(_responses(probability, 0.5), LABEL)
    method.end_epoch({})
    method.update_coefficients(_responses(0.125, 0.5), LABEL)
    assert method.running_scores.tolist() == pytest.approx([2 * math.log(2), math.log(2)])


@pytest.mark.parametrize(("cap", "expected"), [(2.0, math.exp(0.2)), (None, math.exp(0.1 * 8.9))])
def test_cap_limits_the_difference_of_ratios(cap: float | None, expected: float) -> None:
    """The ratio was 0.9 / 0.09 = 10 and is 0.55 / 0.5 = 1.1: a difference of 8.9."""
    method = _agm(alpha=0.1, cap=cap)
    method.update_coefficients(_responses(0.9, 0.09), LABEL)
    assert method.coefficients[0].item() < 1  # the cap leaves negative differences alone
    method.update_coefficients(_responses(0.55, 0.5), LABEL)
    assert method.coefficients[0].item() == pytest.approx(expected)


def test_scores_take_the_floor_of_the_probability() -> None:
    responses = {"audio": torch.tensor([[-40.0, 0.0]], dtype=torch.float64)}
    assert response_scores(responses, LABEL, 1e-8).item() == pytest.approx(-math.log(1e-8))
    assert response_scores(responses, LABEL, 0.0).item() == pytest.approx(40.0)


def test_floor_acts_on_each_sample_before_the_mean() -> None:
    logits = torch.tensor([[-40.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    found = response_scores({"audio": logits}, LABEL.repeat(2), 1e-8)
    assert found.item() == pytest.approx((-math.log(1e-8) + math.log(2)) / 2)


@pytest.mark.parametrize("coefficient", [0.0, 0.3, 1e6])
def test_modulation_keeps_the_value_and_multiplies_the_gradient(coefficient: float) -> None:
    x = torch.randn(4, 3, requires_grad=True)
    y = modulated(x, torch.tensor(coefficient))
    assert torch.equal(y, x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, coefficient))


def _after_window(**params: Any) -> tuple[AGM, dict[str, Tensor]]:
    """An epoch of modulation and one step of the epoch after it."""
    method = _agm(modulation_epochs=1, **params)
    first, second, third = tiny_batches(3)
    train(method, [first, second])
    last = method.coefficients.clone()
    method.end_epoch({})
    method.step(*third)
    return method, {"inside": last, "after": method.coefficients}


def test_coefficients_stay_frozen_after_the_window() -> None:
    method, found = _after_window(after_window="frozen")
    assert torch.equal(found["inside"], found["after"])
    reference = tiny_model()
    for inputs, _ in tiny_batches(2):
        reference(inputs)
    pairs = dict(zip(reference.modalities, found["inside"].tolist(), strict=True))
    _padded(reference, tiny_batches(3)[2], pairs).backward()
    _close(_gradient(method.model), _gradient(reference))


def test_without_frozen_coefficients_training_goes_on_plainly() -> None:
    method, _ = _after_window(after_window="off")
    plain = _plain(2, "late", tiny_batches(3)[2:])
    assert all(torch.equal(plain[n], g) for n, g in _gradient(method.model).items())


def test_last_epoch_of_the_window_is_modulated() -> None:
    method = _agm(modulation_epochs=2)
    first, second = tiny_batches(2)
    train(method, [first])
    before = method.coefficients
    method.end_epoch({})
    method.step(*second)
    assert not torch.equal(before, method.coefficients)


def _largest_and_norm(gradient: dict[str, Tensor]) -> tuple[float, float]:
    last = [
        g.abs().max().item()
        for n, g in gradient.items()
        if n.startswith(("fusion.heads", "fusion.classifier")) and n.endswith("weight")
    ]
    return max(last), math.sqrt(sum(g.square().sum().item() for g in gradient.values()))


@settings
def test_clipping_waits_for_the_last_linear_layer(count: int, fusion: str) -> None:
    batches = tiny_batches(1, count)
    free = _agm(count, fusion)
    train(free, batches)
    gradient = _gradient(free.model)
    largest, norm = _largest_and_norm(gradient)
    assert largest < norm
    for clip, factor in ((1.01 * largest, 1.0), (0.5 * largest, 0.5 * largest / (norm + 1e-6))):
        method = _agm(count, fusion, clip=clip)
        train(method, batches)
        _close(_gradient(method.model), {n: factor * g for n, g in gradient.items()})


def test_clipping_sees_entries_of_either_sign() -> None:
    method = _agm(clip=1.0)
    for p in method.model.parameters():
        p.grad = torch.zeros_like(p)
    head = method.model.fusion.heads["audio"].weight
    head.grad[0, 0] = -2.0
    method._clip_gradient(3)
    assert head.grad[0, 0].item() == pytest.approx(-1.0, rel=1e-5)


OPTIONS = [
    {"coalitions": "first_pass"},
    {"coalitions": "first_pass", "absent": "zero_feature"},
    {"absent": "zero_feature", "cap": None},
    {"modulation_epochs": 1},
    {"modulation_epochs": 1, "after_window": "off", "clip": None},
    {"probability_floor": 0.0},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@settings
def test_no_option_waits_for_the_host(count: int, fusion: str, options: dict[str, Any]) -> None:
    method = AGM(tiny_model(count, fusion), OPTIM, **options)
    for _ in range(2):
        for inputs, labels in tiny_batches(2, count):
            with forbidden_host_sync():
                method.step(inputs, labels)
        method.end_epoch({})


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("stop", [1, 2])
def test_every_option_resumes(options: dict[str, Any], stop: int) -> None:
    def build() -> AGM:
        return AGM(tiny_model(), OPTIM, **options)

    assert not differences_after_resuming(build, tiny_batches(2), stop, 4)


def test_one_modality_is_refused() -> None:
    reason = AGM.unsupported(("audio",), "late")
    assert reason == "AGM compares modalities: it needs at least two"
