"""Every recipe of docs/library.md runs as it stands and trains its model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msam.shapley import modality_shares
from msam.sharpness import sharpened
from tests.msam.recipes import ROOT, recipes

RECIPES = recipes()
OTHERWISE = {"DistributedDataParallel", "Lightning, automatic optimisation"}  # tested below
STEPS = 20


def run(code: str, what: str) -> dict[str, Any]:
    """The names that the code leaves behind."""
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(code, what, "exec"), names)
    return names


def test_there_is_a_recipe_for_each_promise() -> None:
    assert len(RECIPES) == 9 and RECIPES.keys() > OTHERWISE


@pytest.mark.parametrize("heading", sorted(RECIPES.keys() - OTHERWISE))
def test_recipe_trains_its_model(heading: str) -> None:
    if "GradScaler" in heading and not hasattr(torch.amp, "GradScaler"):
        pytest.skip("before torch 2.3 a GradScaler needs a GPU")
    losses = run(RECIPES[heading], heading)["losses"]
    assert len(losses) % STEPS == 0
    for start in range(0, len(losses), STEPS):
        assert losses[start + STEPS - 1] < 0.9 * losses[start]


def test_recipe_with_losses_per_modality_has_two_readings() -> None:
    code = RECIPES["Losses per modality"]
    response = run(code, "response")["losses"]
    unimodal = run(code.replace('SPLIT = "response"', 'SPLIT = "unimodal"'), "unimodal")["losses"]
    assert unimodal[-1] < 0.9 * unimodal[0]
    assert response[0] != unimodal[0]


def linear_model() -> nn.Module:
    """Logits of two modalities, {m: (B, D)} -> (B, 3), in float64."""

    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleDict({"audio": nn.Linear(5, 8), "visual": nn.Linear(7, 8)})
            self.head = nn.Linear(8, 3)

        def forward(self, inputs: dict[str, Tensor]) -> Tensor:
            return self.head(sum(self.layers[m](x) for m, x in inputs.items()).tanh())

    torch.manual_seed(0)
    return Sum().double()


def whole_batch() -> tuple[dict[str, Tensor], Tensor]:
    rng = torch.Generator().manual_seed(2)
    inputs = {
        m: torch.randn(16, w, generator=rng).double() for m, w in (("audio", 5), ("visual", 7))
    }
    return inputs, torch.randint(3, (16,), generator=rng)


def train_on_the_whole_batch(model: nn.Module, steps: int) -> None:
    """The DDP recipe in one process."""
    inputs, labels = whole_batch()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def score(present: frozenset[str]) -> Tensor:
        shown = {m: x if m in present else torch.zeros_like(x) for m, x in inputs.items()}
        return model(shown).softmax(-1).gather(-1, labels[:, None]).mean()

    for _ in range(steps):
        F.cross_entropy(model(inputs), labels).backward()
        nu = modality_shares(score, ("audio", "visual"))
        with sharpened(model, rho=0.05, share=max(nu.values())):
            F.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="this torch has no gloo",
)
def test_two_processes_train_as_one_with_the_whole_batch(tmp_path: Path) -> None:
    """With gradients of their own and with gradients that are views of buckets."""
    words = [sys.executable, "-m", "tests.msam.one_of_two_processes", str(tmp_path)]
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo"}
    ranks = [
        subprocess.Popen([*words, rank], cwd=ROOT, env=environment, stderr=subprocess.PIPE)
        for rank in "01"
    ]
    errors = [process.communicate(timeout=120)[1].decode() for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], errors
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in "01"]
    model = linear_model()
    train_on_the_whole_batch(model, steps=5)
    for kind in ("plain", "bucket views"):
        for name, expected in model.state_dict().items():
            first, second = (weights[kind][name] for weights in found)
            assert torch.equal(first, second), name
            torch.testing.assert_close(first, expected, rtol=0, atol=1e-12)
    assert "use msam.sharpened" in found[0]["refusal"]


def test_lightning_recipe_takes_the_step_of_sharpened() -> None:
    """Automatic optimisation, in bf16: two epochs of two batches."""
    lightning = pytest.importorskip(
        "lightning", reason="lightning is not installed; requirements-extra.txt has its version"
    )
    names = run(RECIPES["Lightning, automatic optimisation"], "Lightning")
    torch.manual_seed(0)
    labels = torch.randint(4, (32,))
    data = torch.utils.data.TensorDataset(
        torch.randn(32, 20) + labels[:, None], torch.randn(32, 30), labels
    )
    loader = torch.utils.data.DataLoader(data, batch_size=16)
    model = names["Captions"]()
    twin = names["Captions"]()
    twin.load_state_dict(model.state_dict())
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        precision="bf16-mixed",
        enable_model_summary=False,
        **options,
    )
    trainer.fit(model, loader)

    optimizer = torch.optim.AdamW(twin.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    for _ in range(2):
        for text, image, y in loader:

            def loss(text=text, image=image, y=y) -> Tensor:
                with torch.autocast("cpu", torch.bfloat16):
                    return F.cross_entropy(twin(text, image), y)

            def score(present: frozenset[str], text=text, image=image, y=y) -> Tensor:
                with torch.autocast("cpu", torch.bfloat16):
                    logits = twin(text * ("text" in present), image * ("image" in present))
                    return logits.softmax(-1).gather(-1, y[:, None]).mean()

            optimizer.zero_grad()
            nu = modality_shares(score, ("text", "image"))
            loss().backward()
            with sharpened(twin, rho=0.05, share=max(nu.values())):
                loss().backward()
            optimizer.step()
        schedule.step()
    for name, value in twin.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, msg=name)
