"""The verbs new-method and check-method: from a name to a baseline that keeps the contract."""

from __future__ import annotations

import colorsys
import keyword
import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Collection
from pathlib import Path

import yaml

from benchmarks.cli.session import Say
from benchmarks.configs.load import CONFIGS, load_config, lookup
from benchmarks.exit_status import Exit
from benchmarks.plan.workspace import ROOT
from benchmarks.records.files import write_text

BASELINES = ROOT / "baselines"


def new_method(arguments: Namespace, say: Say) -> Exit:
    """Writes baselines/NAME.py and its entry in methods.yaml, or neither."""
    name = arguments.name
    path, configs = BASELINES / f"{name}.py", CONFIGS / "methods.yaml"
    known = load_config().methods
    if problem := _name_problem(name, path, known):
        raise ValueError(problem)
    label = name.replace("_", " ").capitalize()
    colour = _free_colour({m.colour.lower() for m in known.values()})
    entry = ENTRY.format(name=name, label=label, colour=colour)
    extended = _appended(configs.read_text(encoding="utf-8"), entry, {*known, name})
    skeleton = SKELETONS[arguments.hook]
    write_text(path, skeleton.format(name=name, label=label, cls=_class_name(name, skeleton)))
    try:
        write_text(configs, extended)
    except BaseException:
        path.unlink()
        raise
    say(f"written: {_shown(path)}, and an entry at the end of {_shown(configs)}")
    say(f"edit both, then: ./reproduce.sh check-method {name}")
    return Exit.FINE


def check_method(arguments: Namespace, say: Say) -> Exit:
    """The contract tests, and the method's own ones; DIFFERS if one fails or none was found."""
    name = arguments.name
    lookup("method", name, load_config().methods)
    chosen = f"[{name}- or [{name}] or test_{name}.py"
    words = [sys.executable, "-m", "pytest", "-q", "tests/baselines", "-k", chosen]
    status = subprocess.run(words, cwd=ROOT, check=False).returncode
    outcome = {0: "keeps the contract", 5: f'is not registered: it needs @register("{name}")'}
    say(f"{name} {outcome.get(status, 'does not keep the contract: see above')}")
    return Exit.DIFFERS if status else Exit.FINE


def _name_problem(name: str, path: Path, known: Collection[str]) -> str | None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        return (
            f"'{name}' cannot name a method: it becomes a Python module and must consist of "
            "lower-case words joined by _, such as my_method"
        )
    if name in known:
        return f"method '{name}' exists already; its entry is in benchmarks/configs/methods.yaml"
    return f"{_shown(path)} exists already; choose another name" if path.exists() else None


def _class_name(name: str, skeleton: str) -> str:
    """CamelCase, and no word that the skeleton uses already."""
    cls = "".join(part.capitalize() for part in name.split("_"))
    return f"{cls}Method" if re.search(rf"\b{cls}\b", skeleton) else cls


def _appended(text: str, entry: str, names: Collection[str]) -> str:
    """`text` with the entry at its end, every character before it as it was."""
    extended = f"{text}{'' if text.endswith(chr(10)) else chr(10)}{entry}"
    try:
        found = set(yaml.safe_load(extended))
    except yaml.YAMLError:
        found = set()
    if found != names:  # such as the name `on`, which YAML reads as true
        raise ValueError("methods.yaml could not be read with this entry; choose another name")
    return extended


def _free_colour(used: Collection[str]) -> str:
    """A colour of middle lightness that no other method has; hues a golden angle apart."""
    hues = (step * 0.381966 % 1 for step in range(len(used) + 1))
    shades = (colorsys.hls_to_rgb(hue, 0.45, 0.6) for hue in hues)
    written = ("#" + "".join(f"{round(255 * part):02x}" for part in shade) for shade in shades)
    return next(colour for colour in written if colour not in used)


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


SKELETON = '''"""{label}: say here what the method is, the paper and the code with its commit."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from baselines.registry import register
from msam.losses import modality_losses
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative


@register("{name}")
class {cls}(Method):
    """The fused loss plus `weight` times the loss of every modality alone: replace it by yours.

    Say here which equation each piece is, and every departure from the paper or its code.
    """

    # With these hyperparameters it must equal Joint-Train bit for bit; None if there are none.
    neutral: ClassVar[dict[str, Any]] = {{"weight": 0.0}}

    # Hyperparameters are keyword-only, with a default and an annotation that says what is allowed.
    def __init__(
        self, model: MultimodalModel, optim: OptimConfig, *, weight: NonNegative = 0.5
    ) -> None:
        super().__init__(model, optim)  # gives self.optimizer, self.scheduler, self.generator
        self.weight = weight

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)  # {{modality: (B, D_m)}}, encoded once
        logits = self.model.fusion(features)  # (B, C)
        loss = F.cross_entropy(logits, labels)
        absent = self.model.absent_features(inputs, features, "zero_feature")
        alone = modality_losses("unimodal", self.model, features, absent, labels)  # (M,)
        self.optimizer.zero_grad()
        (loss + self.weight * alone.sum()).backward()
        self.optimizer.step()
        # 0-dimensional tensors for the epoch's means; no .item(): a step never waits for the host.
        return {{**batch_metrics(logits, labels, loss), "loss_alone": alone.detach().mean()}}

    # A method that acts between epochs overrides end_epoch(val); one with a state of its own
    # overrides state_dict and load_state_dict. See `msam/method.py`.
'''

SURVEY = '''"""{label}: say here what the method is, the paper and the code with its commit."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Features, Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative


@register("{name}")
class {cls}(Method):
    """The fused loss plus `weight` times the features' distance from their mean: replace it by
    yours. The mean is that of a tenth of the training rows, before each epoch.

    Say here which equation each piece is, and every departure from the paper or its code.
    """

    # With these hyperparameters it must equal Joint-Train bit for bit; None if there are none.
    neutral: ClassVar[dict[str, Any]] = {{"weight": 0.0}}
    survey = 0.1  # the share of the training rows whose features `observe` gets

    def __init__(
        self, model: MultimodalModel, optim: OptimConfig, *, weight: NonNegative = 0.5
    ) -> None:
        super().__init__(model, optim)  # gives self.optimizer, self.scheduler, self.generator
        self.weight = weight
        self.means: Features = {{}}  # {{modality: (D_m,)}}

    def observe(self, features: Features, labels: Tensor) -> None:
        for m, phi in features.items():  # (K, D_m), in evaluation mode, without gradient
            mean = phi.mean(0)
            self.means.setdefault(m, mean).copy_(mean)  # in place: a recorded step reads it

    @property
    def phase(self) -> bool:
        return bool(self.means)  # what a step depends on besides tensors and learning rates

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        features = self.model.encode(inputs)  # {{modality: (B, D_m)}}, encoded once
        logits = self.model.fusion(features)  # (B, C)
        loss = F.cross_entropy(logits, labels)
        spread = torch.zeros_like(loss)
        if self.phase:
            spread = sum((phi - self.means[m]).square().mean() for m, phi in features.items())
        self.optimizer.zero_grad()
        (loss + self.weight * spread).backward()
        self.optimizer.step()
        # 0-dimensional tensors for the epoch's means; no .item(): a step never waits for the host.
        return {{**batch_metrics(logits, labels, loss), "spread": spread.detach()}}

    # A resumed run is not shown the features of an epoch again that it stopped in.
    def state_dict(self) -> dict[str, Any]:
        return {{**super().state_dict(), "means": self.means}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        device = next(self.model.parameters()).device
        self.means = {{m: mean.to(device, copy=True) for m, mean in state["means"].items()}}
'''

FUSION = '''"""{label}: say here what the method is, the paper and the code with its commit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Features, Inputs, LateFusion, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative


class ConfidentFusion(LateFusion):
    """Heads weighed by confidence, sample by sample: replace it by yours. Each row must be fused
    alone, because evaluation takes rows in chunks of its own choice."""

    def __init__(self, heads: nn.ModuleDict, sharpness: float) -> None:
        super().__init__({{}}, 0)  # no heads of its own: it takes over the model's
        self.heads, self.sharpness = heads, sharpness

    def forward(self, features: Features) -> Tensor:
        logits = torch.stack(list(self.modality_logits(features).values()))  # (M, B, C)
        weights = (self.sharpness * logits.amax(2, keepdim=True)).softmax(0)
        return (weights * logits).sum(0)


@register("{name}")
class {cls}(Method):
    """SGD on the loss of the fused logits. Evaluation and predictions use the new fusion too.

    Say here which equation each piece is, and every departure from the paper or its code.
    """

    def __init__(
        self, model: MultimodalModel, optim: OptimConfig, *, sharpness: NonNegative = 1.0
    ) -> None:
        fusion = "late" if model.heads else "early"
        if reason := self.unsupported(model.modalities, fusion):
            raise ValueError(reason)
        # Before the optimiser is made, which holds the parameters of the model as it is then.
        model.fusion = ConfidentFusion(model.fusion.heads, sharpness)
        super().__init__(model, optim)  # gives self.optimizer, self.scheduler, self.generator

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        logits = self.model(inputs)  # (B, C)
        loss = F.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        # 0-dimensional tensors for the epoch's means; no .item(): a step never waits for the host.
        return batch_metrics(logits, labels, loss)

    @classmethod
    def unsupported(cls, modalities: tuple[str, ...], fusion: str, **params: Any) -> str | None:
        return "it weighs a head per modality; early fusion has none" if fusion == "early" else None
'''

END_EPOCH = '''"""{label}: say here what the method is, the paper and the code with its commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from baselines.registry import register
from msam.method import Method, batch_metrics
from msam.model import Inputs, MultimodalModel
from msam.optim import OptimConfig
from msam.parameters import NonNegative


@register("{name}")
class {cls}(Method):
    """The fused loss times a number that `factor` multiplies whenever the validation loss rises:
    replace it by yours.

    Say here which equation each piece is, and every departure from the paper or its code.
    """

    # With these hyperparameters it must equal Joint-Train bit for bit; None if there are none.
    neutral: ClassVar[dict[str, Any]] = {{"start": 1.0, "factor": 1.0}}

    def __init__(
        self,
        model: MultimodalModel,
        optim: OptimConfig,
        *,
        start: NonNegative = 0.9,
        factor: NonNegative = 0.5,
    ) -> None:
        super().__init__(model, optim)  # gives self.optimizer, self.scheduler, self.generator
        self.scale, self.factor, self.lowest = start, factor, float("inf")

    @property
    def phase(self) -> float:
        return self.scale  # a number on the host that a step uses: a new one is recorded anew

    def end_epoch(self, val: Mapping[str, float]) -> None:
        super().end_epoch(val)  # counts the epoch and decays the learning rate
        if val["loss_mm"] > self.lowest:
            self.scale *= self.factor
        self.lowest = min(self.lowest, val["loss_mm"])

    def step(self, inputs: Inputs, labels: Tensor) -> dict[str, Tensor]:
        logits = self.model(inputs)  # (B, C)
        loss = F.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        (self.scale * loss).backward()
        self.optimizer.step()
        # 0-dimensional tensors for the epoch's means; no .item(): a step never waits for the host.
        return batch_metrics(logits, labels, loss)

    def state_dict(self) -> dict[str, Any]:
        return {{**super().state_dict(), "scale": self.scale, "lowest": self.lowest}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.scale, self.lowest = state["scale"], state["lowest"]
'''

SKELETONS = {None: SKELETON, "survey": SURVEY, "fusion": FUSION, "end_epoch": END_EPOCH}

ENTRY = """{name}:
  label: "{label}"
  reference: "say here who published it and where its code is"
  colour: "{colour}"
  group: extension
"""
