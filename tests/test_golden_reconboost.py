"""Recon-Boost against the vectors made with its published code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from baselines.reconboost import ReconBoost, boosting_loss, consolidation_loss
from msam.model import LateFusion, MultimodalModel
from msam.optim import OptimConfig
from tests.golden_format import ConvEncoder, assert_golden, assert_parameters, f64, golden, load

Case = dict[str, Any]


@golden("reconboost_loss")
def test_losses_and_gradient(case: Case) -> None:
    given, expected = case["inputs"], case["outputs"]
    f = f64(given["logits_updated"]).requires_grad_()
    labels, others = torch.tensor(given["labels"]), given["logits_others"]
    q = f64(others).softmax(1) if isinstance(others, list) else torch.ones_like(f)
    samples = [
        boosting_loss(f[b : b + 1], q[b : b + 1], labels[b : b + 1], given["w1"], given["w2"])
        for b in range(len(f))
    ]
    assert_golden(torch.stack(samples), expected["boosting_per_sample"])
    loss = boosting_loss(f, q, labels, given["w1"], given["w2"])
    assert_golden(loss, expected["boosting_mean"])
    assert_golden(boosting_loss(f, q, labels, given["w1"], 0.0), expected["ce_part_mean"])
    assert_golden(boosting_loss(f, q, labels, 0.0, given["w2"]), expected["reconcile_part_mean"])
    loss.backward()
    assert_golden(f.grad, expected["grad_logits_updated"])
    if not given["first_stage"]:
        agreement = consolidation_loss(f, f64(given["logits_previous_learner"]))
        assert_golden(agreement, expected["agreement_mse"])
        loss = loss + given["alpha"] * agreement
    assert_golden(loss, expected["total"])


class Setup:
    """The learners of a case: two encoders and one head in the place of both heads."""

    def __init__(self, given: Case) -> None:
        self.given = given
        self.modalities = [key.removeprefix("x") for key in given if key.startswith("x")]
        encoders: dict[str, nn.Module] = {m: ConvEncoder(padding=0) for m in self.modalities}
        fusion = LateFusion(dict.fromkeys(self.modalities, 4), given["num_classes"])
        self.model = MultimodalModel(encoders, fusion).double()
        self.head = fusion.heads[self.modalities[0]]
        self.own_heads = {
            m: fusion.heads[m] for m in self.modalities if f"own_head{m}.weight" in given["init"]
        }
        for m in set(self.modalities) - self.own_heads.keys():
            fusion.heads[m] = self.head
        for own_head in self.own_heads.values():
            own_head.requires_grad_(False)
        self.method = ReconBoost(
            self.model,
            OptimConfig(momentum=given["momentum"], weight_decay=given["weight_decay"]),
            w1=given["w1"],
            w2=given["w2"],
            alpha=given["alpha"],
            boosting_epochs=given["epochs_phase1"],
            rectification_epochs=given["epochs_phase2"],
            boosting_lr=given["lr_phase1"],
            rectification_lr=given["lr_phase2"],
            members="all" if given["start_with_both_learners"] else "grow",
            boost_rate=given["boost_rate"],
        )
        load(self.named(given["init"]), given["init"])

    def named(self, names: Any) -> dict[str, Tensor]:
        """The live parameters under the file's names."""
        layers = {"head": self.head}
        layers |= {f"encoder{m}": e.conv for m, e in self.model.encoders.items()}
        layers |= {f"own_head{m}": own for m, own in self.own_heads.items()}
        live = {
            f"{name}.{kind}": getattr(layer, kind)
            for name, layer in layers.items()
            for kind in ("weight", "bias")
        }
        return {name: {**live, "boost_rate": self.method.boost_rate}[name] for name in names}

    def batch(self, index: int) -> tuple[dict[str, Tensor], Tensor]:
        shape = (-1, 1, self.given["height"], self.given["width"])
        inputs = {m: f64(self.given[f"x{m}"][index]).reshape(shape) for m in self.modalities}
        return inputs, torch.tensor(self.given["y"][index])

    def share_head_of(self, stage: int) -> None:
        """A pretrained learner gives its own head up at the beginning of its first stage."""
        self.model.fusion.heads[self.method.learner(stage)] = self.head

    @torch.no_grad()
    def accuracy(self) -> float:
        """Of the members' ensemble, on all batches."""
        right = []
        for index in range(len(self.given["y"])):
            inputs, labels = self.batch(index)
            logits = self.model.fusion.modality_logits(self.model.encode(inputs))
            ensemble = self.method.boost_rate * sum(logits[m] for m in self.method.members)
            right.append((ensemble.argmax(1) == labels).double())
        return torch.cat(right).mean().item()


@golden("reconboost_trajectory")
def test_trajectory(case: Case) -> None:
    given, steps = case["inputs"], case["outputs"]["steps"]
    setup, batches = Setup(given), len(given["y"])
    accuracies = []
    for t, expected in enumerate(steps):
        stage, phase = setup.method.phase
        assert (stage, phase) == (expected["stage"], {1: "boost", 2: "rectify"}[expected["phase"]])
        metrics = setup.method.step(*setup.batch(t % batches))
        if "boosting_loss" in expected:
            assert_golden(metrics["objective"], expected["boosting_loss"], "boosting loss")
        assert_parameters(setup.named(expected["params"]), expected["params"])
        if (t + 1) % batches == 0:
            following = steps[t + 1]["stage"] if t + 1 < len(steps) else stage + 1
            if following != stage:
                accuracies.append(setup.accuracy())
                setup.share_head_of(following)
            setup.method.end_epoch({})
    assert_golden(accuracies, case["outputs"]["ensemble_accuracy_after_stage"])
