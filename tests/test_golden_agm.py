"""AGM, MSES and MSLR against the golden vectors of AGM's code. Each file's `what` explains it.

Not matched, because we do not copy it: a restore of epoch 1 (that code finds no file or skips it),
and infinite ratios and scores.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.agm import modulated, ratios, response_scores
from baselines.mses import MSES
from baselines.registry import build_method
from msam.method import Method
from msam.model import Features, LateFusion, MultimodalModel
from msam.optim import OptimConfig
from msam.shapley import shapley_responses
from tests.golden_format import ConvEncoder, assert_golden, assert_parameters, f64, golden, load
from tests.tiny import OPTIM, weights

pytestmark = pytest.mark.filterwarnings("ignore:Detected call of")  # epochs without steps
Case = dict[str, Any]
LETTERS = {"a": "audio", "v": "visual", "t": "text"}


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _linear_model(modalities: list[str]) -> MultimodalModel:
    encoders = {m: nn.Linear(2, 2) for m in modalities}
    return MultimodalModel(encoders, LateFusion(dict.fromkeys(modalities, 2), 2)).double()


def _build(name: str, modalities: list[str], **params: Any) -> Method:
    return build_method(name, _linear_model(modalities), OPTIM, **params)


def _step_responses(step: Case, modalities: list[str]) -> tuple[dict[str, Tensor], Tensor]:
    """Responses (rows, C) and labels (rows,): segments count as samples."""
    found = {m: f64(step[f"logits_{m}"]) for m in modalities}
    labels = torch.tensor(step["labels"]).flatten()
    return {m: z.reshape(-1, z.shape[-1]) for m, z in found.items()}, labels


def _check_coefficients(case: Case, modalities: list[str]) -> None:
    given = case["inputs"]
    settings = {"alpha": given["alpha"], "cap": given["cap"], "clip": None}
    method = _build(
        "agm", modalities, **settings, probability_floor=given["probability_floor"] or 0.0
    )
    for step, expected in zip(given["steps"], case["outputs"]["steps"], strict=True):
        if not all(map(_finite, expected.values())):
            return
        responses, labels = _step_responses(step, modalities)
        before = ratios(method.running_scores)
        method.update_coefficients(responses, labels)
        scores = response_scores(responses, labels, method.floor)
        found = {
            "score_{}": scores,
            "ratio_{}": ratios(scores),
            "running_ratio_{}": before,
            "coeff_{}": method.coefficients,
            "running_score_{}_after": method.running_scores,
        }
        for key, values in found.items():
            wanted = f64([expected[key.format(m)] for m in modalities])
            torch.testing.assert_close(values, wanted, rtol=1e-8, atol=1e-300)


@golden("agm_coefficients_2")
def test_agm_coefficients_of_two_modalities(case: Case) -> None:
    _check_coefficients(case, ["audio", "visual"])


@golden("agm_coefficients_3")
def test_agm_coefficients_of_three_modalities(case: Case) -> None:
    _check_coefficients(case, ["audio", "visual", "text"])


def _check_hooks(case: Case, values: dict[str, frozenset[str]], modalities: list[str]) -> None:
    given, expected = case["inputs"], case["outputs"]
    leaves = {name: f64(given[name]).requires_grad_() for name in values}
    responses = shapley_responses(
        {s: leaves[name] for name, s in values.items() if s}, tuple(modalities)
    )
    fused = sum(modulated(responses[m], f64(given[f"scale_{m}"])) for m in modalities)
    loss = F.cross_entropy(fused, torch.tensor(given["labels"]))
    loss.backward()
    assert_golden(loss, expected["loss"])
    for name, leaf in leaves.items():
        found = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        assert_golden(found, expected["grad_wrt"][name], name)


@golden("agm_hooks_2")
def test_agm_modulated_gradient_of_two_modalities(case: Case) -> None:
    names = {"full": {"audio", "visual"}, "audio_zeroed": {"visual"}, "visual_zeroed": {"audio"}}
    _check_hooks(case, {k: frozenset(s) for k, s in names.items()}, ["audio", "visual"])


@golden("agm_hooks_3")
def test_agm_modulated_gradient_of_three_modalities(case: Case) -> None:
    everyone = frozenset(LETTERS.values())
    names = {key: everyone for key in case["inputs"] if key == "full"}
    for key in case["inputs"]:
        if key.startswith("zero_"):
            names[key] = everyone - {LETTERS[x] for x in key.removeprefix("zero_")}
    _check_hooks(case, names, list(LETTERS.values()))


def _stamp(method: MSES, epoch: int) -> None:
    """Makes the weights say which epoch they are of."""
    with torch.no_grad():
        for p in method.model.parameters():
            p.fill_(epoch)


def _stamps(method: MSES) -> dict[str, set[float]]:
    """The epochs that each modality's weights are of."""
    named = {m: method.model.modality_parameters(m) for m in method.model.modalities}
    return {m: {x for p in ps for x in p.flatten().tolist()} for m, ps in named.items()}


def _run_epoch(method: MSES, losses: dict[str, list[float]], epoch: int) -> list[str]:
    """Ends an epoch whose weights carry its number; the modalities that stopped."""
    before = {m: watch.stopped for m, watch in method.watches.items()}
    _stamp(method, epoch)
    method.end_epoch({f"loss_{m}": values[epoch - 1] for m, values in losses.items()})
    return [m for m, watch in method.watches.items() if watch.stopped and not before[m]]


@pytest.mark.parametrize("restore", ["model", "modality"])
@golden("agm_mses")
def test_mses_bookkeeping(case: Case, restore: str) -> None:
    given, expected = case["inputs"], case["outputs"]
    losses = given["validation_loss"]
    method = _build("mses", list(losses), patience=given["patience"], restore=restore)
    for entry in expected["epochs"]:
        epoch = entry["epoch"]
        used = {m: float(not watch.stopped) for m, watch in method.watches.items()}
        assert used == entry["gradient_multiplier_used_in_this_epoch"]
        stopping = _run_epoch(method, losses, epoch)
        for m, watch in method.watches.items():
            assert float(not watch.stopped) == entry["ratio_after"][m]
            assert_golden(watch.smoothed, entry["smoothed_loss"][m])
            assert_golden(watch.lowest, entry["min_smoothed_loss"][m])
            assert watch.lowest_epoch == entry["min_loss_epoch"][m]
        restored = {m: method.watches[m].lowest_epoch for m in stopping}
        assert [e for e in restored.values() if e > 1] == entry["weights_restored_from_epochs"]
        last = list(restored.values())[-1:] or [epoch]
        own = {m: {restored.get(m, epoch)} for m in method.watches}
        whole = {m: set(last) for m in method.watches}
        assert _stamps(method) == (whole if restore == "model" else own)
    ended = expected["ended"]
    assert method.finished == (ended is not None and "crash" not in ended["how"])


@golden("mses_schedule")
def test_mses_schedule(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    losses = given["loss_per_epoch"]
    method = _build("mses", list(losses), patience=given["patience"])
    restored = []
    for epoch in range(1, expected["epochs_run"] + 1):
        for m, watch in method.watches.items():
            assert float(not watch.stopped) == expected["multiplier_in_epoch"][m][epoch - 1]
        stopping = _run_epoch(method, losses, epoch)
        restored += [method.watches[m].lowest_epoch for m in stopping]
    assert [e for e in restored if e > 1] == expected["restored_checkpoint_epochs"]
    assert method.finished == ("all modalities" in expected["end"])


@golden("agm_mslr")
def test_mslr_bookkeeping(case: Case) -> None:
    accuracies, entries = case["inputs"]["modality_accuracy"], case["outputs"]["epochs"]
    bases = entries[0]["gradient_multiplier_used_in_this_epoch"]
    method = _build("mslr", list(accuracies), bases=bases)
    for entry in entries:
        for m, wanted in entry["gradient_multiplier_used_in_this_epoch"].items():
            assert_golden(method.factors[m], wanted if _finite(wanted) else bases[m])
        method.end_epoch({f"acc_{m}": x[entry["epoch"] - 1] for m, x in accuracies.items()})
        for m, wanted in entry["ratio_after"].items():
            assert_golden(method.ratios[m], wanted if _finite(wanted) else 1.0)
            assert_golden(method.memory[m], entry["memory_after"][m])


@golden("mslr_schedule")
def test_mslr_schedule(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    accuracies, bases = given["accuracy_per_epoch"], given["init_coeff"]
    method = _build("mslr", list(accuracies), bases=bases, window=given["window"])
    epochs = len(next(iter(expected["grad_multiplier_in_epoch"].values())))
    for epoch in range(epochs):
        for m, factor in method.factors.items():
            ratio, wanted = (
                expected[key][m][epoch]
                for key in ("ratio_used_in_epoch", "grad_multiplier_in_epoch")
            )
            assert_golden(method.ratios[m], ratio if _finite(ratio) else 1.0)
            assert_golden(factor, wanted if _finite(wanted) else bases[m])
        method.end_epoch({f"acc_{m}": values[epoch] for m, values in accuracies.items()})


class JointAndOwnHeads(LateFusion):
    """A head on the concatenation, and heads that only read single modalities."""

    def __init__(self, widths: dict[str, int], classes: int) -> None:
        super().__init__(widths, classes)
        self.joint = nn.Linear(sum(widths.values()), classes)

    def forward(self, features: Features) -> Tensor:
        return self.joint(torch.cat(list(features.values()), dim=1))


@golden("uniform_trajectory")
def test_mses_multitask_loss_is_the_uniform_baseline_until_something_stops(case: Case) -> None:
    given = case["inputs"]
    widths = {m: len(given["params"][f"{m}_net.conv.bias"]) for m in ("audio", "visual")}
    encoders = {m: ConvEncoder(padding=1) for m in widths}
    fusion = JointAndOwnHeads(widths, given["classes"])
    model = MultimodalModel(encoders, fusion).double()
    layers = {f"{m}_net.conv": encoder.conv for m, encoder in encoders.items()} | {
        "head": fusion.joint,
        "head_audio": fusion.heads["audio"],
        "head_video": fusion.heads["visual"],
    }
    named = {f"{k}.{n}": p for k, layer in layers.items() for n, p in layer.named_parameters()}
    load(named, given["params"])
    assert len(named) == len(weights(model))
    method = MSES(model, OptimConfig(lr=0.05, momentum=0.9, weight_decay=1e-4), loss="multitask")
    for batch, expected in zip(given["batches"], case["outputs"]["steps"], strict=True):
        inputs = {m: f64(batch[m])[:, None] for m in widths}
        metrics = method.step(inputs, torch.tensor(batch["labels"]))
        assert_golden(metrics["loss_mm"], expected["loss_mm"])
        assert_parameters(named, expected["params"])
