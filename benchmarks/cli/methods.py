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
from benchmarks.plan.workspace import ROOT
from benchmarks.records.files import write_text

BASELINES = ROOT / "baselines"


def new_method(arguments: Namespace, say: Say) -> int:
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
    write_text(path, SKELETON.format(name=name, label=label, cls=_class_name(name)))
    try:
        write_text(configs, extended)
    except BaseException:
        path.unlink()
        raise
    say(f"written: {_shown(path)}, and an entry at the end of {_shown(configs)}")
    say(f"edit both, then: ./reproduce.sh check-method {name}")
    return 0


def check_method(arguments: Namespace, say: Say) -> int:
    """The contract tests, and the method's own ones; the exit status is pytest's."""
    name = arguments.name
    lookup("method", name, load_config().methods)
    chosen = f"[{name}- or [{name}] or test_{name}.py"
    words = [sys.executable, "-m", "pytest", "-q", "tests/baselines", "-k", chosen]
    status = subprocess.run(words, cwd=ROOT, check=False).returncode
    outcome = {0: "keeps the contract", 5: f'is not registered: it needs @register("{name}")'}
    say(f"{name} {outcome.get(status, 'does not keep the contract: see above')}")
    return status


def _name_problem(name: str, path: Path, known: Collection[str]) -> str | None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        return (
            f"'{name}' cannot name a method: it becomes a Python module and must consist of "
            "lower-case words joined by _, such as my_method"
        )
    if name in known:
        return f"method '{name}' exists already; its entry is in benchmarks/configs/methods.yaml"
    return f"{_shown(path)} exists already; choose another name" if path.exists() else None


def _class_name(name: str) -> str:
    """CamelCase, and no word that the skeleton uses already."""
    cls = "".join(part.capitalize() for part in name.split("_"))
    return f"{cls}Method" if re.search(rf"\b{cls}\b", SKELETON) else cls


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

ENTRY = """{name}:
  label: "{label}"
  reference: "say here who published it and where its code is"
  colour: "{colour}"
  group: extension
"""
