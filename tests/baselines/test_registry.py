"""Methods are found by name; a wrong name or parameter is answered with the right ones."""

from __future__ import annotations

from pathlib import Path

import pytest

import baselines
from baselines.joint_train import JointTrain
from baselines.registry import METHODS, build_method, method_class, register
from msam.method import Method
from msam.msam import MSAM
from msam.parameters import hyperparameters, parameter_problems
from tests.tiny import OPTIM, tiny_model

# A helper must be entered here knowingly.
NOT_METHODS = {"__init__", "registry", "alignment", "gradients"}
names = pytest.mark.parametrize("name", sorted(METHODS))
FOLDER = Path(baselines.__file__).parent


def test_msam_and_its_references_are_registered() -> None:
    assert {"joint_train", "sam", "msam"} <= METHODS.keys()
    assert method_class("msam") is MSAM


def test_second_registration_of_a_name_is_an_error() -> None:
    before = dict(METHODS)
    with pytest.raises(ValueError, match="'joint_train' is already registered by JointTrain"):
        register("joint_train")(MSAM)
    assert before == METHODS


def test_registration_returns_the_class_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(METHODS, "joint_train")
    assert register("joint_train")(JointTrain) is JointTrain
    assert METHODS["joint_train"] is JointTrain


def test_unknown_method_names_the_nearest_and_lists_the_known() -> None:
    with pytest.raises(
        ValueError, match=r"no method 'jointtrain' \(did you mean 'joint_train'\?\)"
    ) as error:
        build_method("jointtrain", tiny_model(), OPTIM)
    assert str(error.value).endswith(f"known methods: {', '.join(sorted(METHODS))}")


@names
def test_unknown_parameter_lists_the_accepted(name: str) -> None:
    accepted = ", ".join(hyperparameters(METHODS[name])) or "none"
    with pytest.raises(ValueError) as error:
        build_method(name, tiny_model(), OPTIM, no_such_parameter=1)
    assert "no parameter 'no_such_parameter'" in str(error.value)
    assert str(error.value).endswith(f"it accepts: {accepted}")


@names
def test_defaults_and_neutral_setting_fit_their_annotations(name: str) -> None:
    cls = METHODS[name]
    defaults = {key: p.default for key, p in hyperparameters(cls).items()}
    assert parameter_problems(cls, defaults) == []
    assert parameter_problems(cls, cls.neutral or {}) == []


@names
def test_method_says_in_its_first_line_what_it_is(name: str) -> None:
    cls = METHODS[name]
    assert issubclass(cls, Method)
    first, *_ = (vars(cls).get("__doc__") or "").splitlines() or [""]
    assert first.strip(), f"{cls.__name__} needs a docstring of its own"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_every_file_registers_a_method_of_its_own(file: Path) -> None:
    if file.stem in NOT_METHODS:
        pytest.skip("a helper, not a method")
    homes = {cls.__module__ for cls in METHODS.values()}
    assert f"baselines.{file.stem}" in homes
