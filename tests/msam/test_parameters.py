"""Wrong hyperparameters are refused when the method is built, with every mistake listed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from msam.msam import MSAM
from msam.optim import OptimConfig
from msam.parameters import (
    Interval,
    NonNegative,
    field_problems,
    hyperparameters,
    nearest,
    parameter_problems,
)
from tests.tiny import OPTIM, tiny_model


class Tuned:
    """A class with one hyperparameter of every kind."""

    def __init__(
        self,
        model: object,
        optim: object,
        *,
        radius: NonNegative = 0.1,
        factor: Annotated[float, Interval(0, 1)] = 0.5,
        patience: Annotated[int, Interval(1)] = 3,
        kind: Literal["plain", "fancy"] = "plain",
        label: str = "x",
        nested: bool = False,
        limit: float | None = None,
    ) -> None: ...


class Untuned:
    """A class without hyperparameters of its own."""


@dataclass(frozen=True)
class Settings:
    """Fields of the kinds that a config has."""

    epochs: Annotated[int, Interval(1)] = 1
    modalities: tuple[str, ...] = ()
    params: Mapping[str, Any] | None = None


def test_hyperparameters_are_the_keyword_arguments_with_their_defaults() -> None:
    found = {name: p.default for name, p in hyperparameters(Tuned).items()}
    assert list(found) == ["radius", "factor", "patience", "kind", "label", "nested", "limit"]
    assert found["radius"] == 0.1 and found["limit"] is None


def test_defaults_are_accepted_by_their_own_annotations() -> None:
    for cls in (Tuned, MSAM):
        defaults = {name: p.default for name, p in hyperparameters(cls).items()}
        assert parameter_problems(cls, defaults) == []
    assert field_problems(OptimConfig, vars(OptimConfig()), "optim") == []


@pytest.mark.parametrize(
    "params",
    [
        {"radius": 0},
        {"radius": 3},
        {"factor": 0.0},
        {"factor": 1},
        {"patience": 1},
        {"kind": "fancy"},
        {"nested": True},
        {"limit": None},
        {"limit": 2},
    ],
    ids=str,
)
def test_values_within_their_annotation_are_accepted(params: dict[str, Any]) -> None:
    assert parameter_problems(Tuned, params) == []


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"radius": -0.1}, "at least 0"),
        ({"radius": "0.1"}, "a finite number"),
        ({"radius": None}, "a finite number"),
        ({"radius": True}, "a finite number"),
        ({"radius": math.nan}, "a finite number"),
        ({"radius": math.inf}, "a finite number"),
        ({"factor": 1.5}, "from 0 to 1"),
        ({"patience": 0}, "at least 1"),
        ({"patience": 2.0}, "a whole number"),
        ({"patience": True}, "a whole number"),
        ({"kind": "plane"}, "one of plain, fancy (did you mean 'plain'?)"),
        ({"kind": 3}, "one of plain, fancy"),
        ({"label": 3}, "a word"),
        ({"nested": 1}, "true or false"),
        ({"nested": "yes"}, "true or false"),
        ({"limit": "none"}, "a finite number or null"),
    ],
    ids=str,
)
def test_wrong_value_is_named_with_what_would_be_right(
    params: dict[str, Any], expected: str
) -> None:
    [(name, value)] = params.items()
    [problem] = parameter_problems(Tuned, params)
    assert problem == f"Tuned parameter '{name}' is {value!r}; it must be {expected}"


def test_every_mistake_is_listed_at_once() -> None:
    problems = parameter_problems(Tuned, {"radius": -1, "kind": "odd", "raduis": 1, "label": "ok"})
    assert len(problems) == 3
    assert [word in " ".join(problems) for word in ("radius", "kind", "raduis")] == [True] * 3


def test_unknown_parameter_names_the_nearest_and_lists_the_accepted() -> None:
    [problem] = parameter_problems(Tuned, {"patiense": 3})
    assert problem == (
        "Tuned has no parameter 'patiense' (did you mean 'patience'?); it accepts: "
        "radius, factor, patience, kind, label, nested, limit"
    )


def test_class_without_parameters_says_so() -> None:
    [problem] = parameter_problems(Untuned, {"rho": 1})
    assert problem == "Untuned has no parameter 'rho'; it accepts: none"


def test_no_hint_where_no_word_is_near() -> None:
    assert nearest("zzz", ["rho", "value"]) == ""
    assert nearest("vlaue", ["rho", "value"]) == " (did you mean 'value'?)"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"modalities": "audio"}, "run key 'modalities' is 'audio'; it must be a list"),
        ({"params": 3}, "run key 'params' is 3; it must be a mapping or null"),
        (
            {"epoch": 3},
            "run has no key 'epoch' (did you mean 'epochs'?); it accepts: "
            "epochs, modalities, params",
        ),
    ],
    ids=str,
)
def test_fields_of_a_config_are_checked_alike(values: dict[str, Any], problem: str) -> None:
    assert field_problems(Settings, values, "run") == [problem]


@pytest.mark.parametrize("values", [{"modalities": ["audio"]}, {"params": {"rho": 1}}], ids=str)
def test_fields_within_their_annotation_are_accepted(values: dict[str, Any]) -> None:
    assert field_problems(Settings, values, "run") == []


def test_list_of_words_holds_words_only() -> None:
    assert len(field_problems(Settings, {"modalities": ["audio", 3]}, "run")) == 1


OPTIONS = {
    "value": ("prob", "logit", "accuracy", "neg_loss", "response_prob"),
    "split": ("scalar", "response", "unimodal"),
    "scope": ("all", "dominant", "encoders"),
    "residual": ("exclude", "include"),
    "negatives": ("clip", "raw", "softmax"),
    "absent": ("zero_feature", "zero_input"),
    "coalitions": ("first_pass", "agm"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_msam_lists_the_choices_of_every_option(name: str) -> None:
    """The rows of the spec ledger."""
    with pytest.raises(ValueError, match=f"one of {', '.join(OPTIONS[name])}"):
        MSAM(tiny_model(), OPTIM, **{name: "other"})


def test_msam_defaults_are_those_of_the_spec_ledger() -> None:
    defaults = {name: p.default for name, p in hyperparameters(MSAM).items()}
    first = {name: choices[0] for name, choices in OPTIONS.items()}
    assert defaults == {"rho": 0.05, "refresh": 1, **first}


def test_construction_reports_all_mistakes_in_one_error() -> None:
    with pytest.raises(ValueError, match=r"'rho' is -1.*no parameter 'splitt'.*'split'\?"):
        MSAM(tiny_model(), OPTIM, rho=-1, splitt="scalar")
