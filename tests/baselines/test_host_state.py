"""A step changes nothing on the host, or the method says so in `uncapturable`.

A captured step is replayed without any Python: what a method counts on the host would stand still.
"""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch

from baselines.joint_train import JointTrain
from msam.method import Method
from msam.msam import MSAM
from tests.baselines.cases import Case, begin_epoch, every_case
from tests.baselines.host_state import changed_names, host_state
from tests.baselines.test_host_sync import OPTIONS
from tests.tiny import OPTIM, Batch, tiny_batches, tiny_model, val_metrics


def changes_of_a_step(method: Method, batch: Batch) -> list[str]:
    """What the second step of an epoch changes on the host; the first may make buffers."""
    begin_epoch(method, [batch])
    method.step(*batch)
    before = host_state(method)
    method.step(*batch)
    return changed_names(before, host_state(method))


@every_case
def test_a_step_changes_nothing_on_the_host(case: Case) -> None:
    """In every phase of the method and after its learning rate has decayed."""
    method, [batch] = case.build(case.model()), case.batches(1)
    for epoch in range(4):
        changed = changes_of_a_step(method, batch)
        assert not changed or method.uncapturable, (
            f"{case.method} changes {', '.join(changed)} on the host in every step: keep it in a "
            "tensor, or say in `uncapturable` why its steps cannot be captured"
        )
        method.end_epoch(val_metrics(case.modalities, epoch))


@pytest.mark.parametrize("options", [*OPTIONS, {"refresh": 2}], ids=str)
def test_no_option_of_msam_changes_anything_on_the_host_unless_it_says_so(options) -> None:
    method, [batch] = MSAM(tiny_model(3), OPTIM, **options), tiny_batches(1, 3)
    assert bool(changes_of_a_step(method, batch)) == bool(method.uncapturable)


class Counting(JointTrain):
    """Changes what it keeps on the host in every step: `change` says how."""

    def __init__(self, change):
        super().__init__(tiny_model(), OPTIM)
        self.change, self.steps, self.window, self.sums = change, 0, [0.0], {}

    def step(self, inputs, labels):
        self.change(self)
        return super().step(inputs, labels)


def count(method):
    method.steps += 1


def slide(method):
    method.window[0] += 1.0


def replace_tensor(method):
    method.sums["loss"] = torch.zeros(1) + 1


@pytest.mark.parametrize(
    ("change", "named"), [(count, "steps"), (slide, "window"), (replace_tensor, "sums")]
)
def test_a_method_that_counts_on_the_host_is_noticed(change, named):
    [batch] = tiny_batches()
    assert changes_of_a_step(Counting(change), batch) == [named]


def test_what_the_first_step_made_is_no_change():
    [batch] = tiny_batches()
    assert changes_of_a_step(Counting(lambda m: m.sums.setdefault("first", 1)), batch) == []


class Slotted:
    """Keeps its count in a slot: it has no `__dict__`."""

    __slots__ = ("count",)

    def __init__(self):
        self.count = 0


def count_in_slot(method):
    method.kept.count += 1


def count_in_module(method):
    method.model.fusion_steps = getattr(method.model, "fusion_steps", 0) + 1


def count_in_inner_module(method):
    layer = next(m for m in method.model.modules() if isinstance(m, torch.nn.Linear))
    layer.steps = [*getattr(layer, "steps", []), 1.0]


def count_in_kept_module(method):
    method.kept[0].steps = getattr(method.kept[0], "steps", 0) + 1


HIDDEN = {
    "random.Random": (lambda: random.Random(0), lambda m: m.kept.random()),
    "numpy Generator": (lambda: np.random.default_rng(0), lambda m: m.kept.random()),
    "numpy RandomState": (lambda: np.random.RandomState(0), lambda m: m.kept.rand()),
    "numpy array": (lambda: np.zeros(()), lambda m: m.kept.__iadd__(1)),
    "itertools.count": (itertools.count, lambda m: next(m.kept)),
    "list iterator": (lambda: iter([1.0] * 9), lambda m: next(m.kept)),
    "dict iterator": (lambda: iter(dict.fromkeys(range(9))), lambda m: next(m.kept)),
    "zip": (lambda: zip(range(9), range(9), strict=True), lambda m: next(m.kept)),
    "slots": (Slotted, count_in_slot),
    "module in a list": (lambda: [torch.nn.Identity()], count_in_kept_module),
    "new generator": (int, lambda m: setattr(m, "kept", (x for x in "ab"))),
}


@pytest.mark.parametrize(("make", "change"), HIDDEN.values(), ids=list(HIDDEN))
def test_host_state_that_is_no_plain_attribute_is_seen(make, change):
    method = Counting(lambda m: None)
    method.kept = make()
    before = host_state(method)
    assert changed_names(before, host_state(method)) == []
    change(method)
    assert changed_names(before, host_state(method)) == ["kept"]


@pytest.mark.parametrize("change", [count_in_module, count_in_inner_module])
def test_what_a_step_counts_in_a_module_is_named_by_its_place(change):
    [batch] = tiny_batches()
    [name] = changes_of_a_step(Counting(change), batch)
    assert name.startswith("model.") and name.endswith("steps")


def test_what_torch_keeps_in_a_module_is_no_host_state():
    method = Counting(lambda m: None)
    before = host_state(method)
    method.model.eval()
    method.model.register_forward_hook(lambda *_: None)
    method.model.last = torch.zeros(1)
    with torch.no_grad():
        next(method.model.parameters()).add_(1)
    assert changed_names(before, host_state(method)) == []


def test_what_cannot_be_looked_into_counts_by_what_object_it_is():
    def letters():
        yield from "ab"

    class Refusing:
        def __reduce__(self):
            raise RuntimeError("never")

    method = Counting(lambda m: None)
    method.kept = [letters(), Refusing(), method, method.step, Slotted, random]
    before = host_state(method)
    next(method.kept[0])
    method.sum = torch.zeros(1)  # on the device, and no state of the host by way of `method.step`
    assert changed_names(before, host_state(method)) == []
    method.kept[0] = letters()
    assert changed_names(before, host_state(method)) == ["kept"]
