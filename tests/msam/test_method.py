"""What every training method has from its base class."""

from __future__ import annotations

import copy

import pytest
import torch

from msam.method import Method, batch_metrics
from msam.optim import OptimConfig
from tests.tiny import FixedMSAM, changed, tiny_batches, tiny_model, train, weights


class Lazy(Method):
    """A method that does nothing."""

    def step(self, inputs, labels):
        logits = self.model(inputs)
        return batch_metrics(logits, labels, logits.sum())


def test_optimiser_has_the_settings_of_the_config() -> None:
    optim = OptimConfig(lr=0.2, momentum=0.5, weight_decay=0.01)
    [group] = Lazy(tiny_model(), optim).optimizer.param_groups
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.2, 0.5, 0.01)


def test_defaults_are_the_papers() -> None:
    assert OptimConfig() == OptimConfig(
        lr=1e-3, momentum=0.9, weight_decay=1e-4, decay_epochs=70, decay_factor=0.1
    )


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler")
def test_learning_rate_decays_by_epochs() -> None:
    """Ledger row 10."""
    method = Lazy(tiny_model(), OptimConfig(lr=1.0, decay_epochs=2, decay_factor=0.1))
    rates = []
    for _ in range(5):
        rates.append(method.optimizer.param_groups[0]["lr"])
        method.end_epoch({})
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert method.epoch == 5


def test_batch_metrics_are_the_mean_accuracy_and_the_loss() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0], [5.0, 0.0]], requires_grad=True)
    metrics = batch_metrics(logits, torch.tensor([0, 0, 0, 1]), logits.sum())
    assert metrics["acc_mm"].item() == 0.5
    assert metrics["loss_mm"].item() == 12.0
    assert not any(value.requires_grad for value in metrics.values())


def test_positional_hyperparameters_are_refused() -> None:
    """They would escape the check of their values."""
    with pytest.raises(TypeError):
        FixedMSAM(tiny_model(), OptimConfig(), 0.1)


def test_step_must_be_defined() -> None:
    with pytest.raises(TypeError, match="step"):
        Method(tiny_model(), OptimConfig())


def test_copy_of_a_method_trains_on_its_own() -> None:
    """Wanted for controls that branch off one run, and for sending a method to a process."""
    method = FixedMSAM(tiny_model(), OptimConfig(lr=0.1))
    method.shares = {"audio": 0.5, "visual": 0.5}
    twin = copy.deepcopy(method)
    before = weights(method.model)
    train(twin, tiny_batches())
    assert not changed(before, weights(method.model))
    assert changed(before, weights(twin.model)) == before.keys()


@pytest.mark.parametrize(
    "wrong",
    [{"lr": -1.0}, {"momentum": 1.5}, {"weight_decay": -1.0}, {"decay_epochs": 0}, {"lr": "0.1"}],
    ids=str,
)
def test_wrong_optimiser_setting_is_refused_with_its_name(wrong: dict[str, object]) -> None:
    [name] = wrong
    with pytest.raises(ValueError, match=name):
        OptimConfig(**wrong)


def test_state_holds_whether_the_run_has_ended() -> None:
    """A run resumed after its method ended it must not train on."""
    method, resumed = (Lazy(tiny_model(), OptimConfig()) for _ in range(2))
    method.finished = True
    resumed.load_state_dict(method.state_dict())
    assert resumed.finished
