"""Mistakes in the grids of `methods.yaml`, all named before anything is trained."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.configs.load import CONFIGS, load_config


@pytest.fixture
def edit(tmp_path):
    """Replaces text in a copy of methods.yaml and loads the copy."""
    folder = tmp_path / "configs"
    shutil.copytree(CONFIGS, folder)

    def replace(*pairs):
        text = (folder / "methods.yaml").read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new, 1)
        (folder / "methods.yaml").write_text(text)
        return load_config(folder)

    return replace


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("[0.02, 0.05, 0.1, 0.2]", "[0.02, 0.05, 0.1]", "equally many values: sam 3"),
        ("[0.02, 0.05, 0.1, 0.2]", "[0.02, 0.06, 0.1, 0.2]", "lacks 0.05, the rho"),
        ("[0.02, 0.05, 0.1, 0.2]", "[0.05, 0.02, 0.1, 0.2]", "different and rising"),
        ("[0.02, 0.05, 0.1, 0.2]", "[0.05, 0.05, 0.1, 0.2]", "different and rising"),
        ("[0.02, 0.05, 0.1, 0.2]", "[]", "different and rising"),
        ("[0.02, 0.05, 0.1, 0.2]", "[0.02, 0.05, high, 0.2]", "a finite number"),
        ("values: [5, 10, 30, 80]", "values: [5, 10, 40, 80]", "lacks 30, .*uses for urfunny"),
        ("grid: {parameter: rho", "grid: {parameter: roh", "sam grid: no parameter .*mean 'rho'"),
        ("grid: {parameter: rho", "grid: {name: rho", "grid has no key 'name'"),
        ("follows: msam", "follows: msma", "sam_scaled follows: .*did you mean 'msam'"),
        ("follows: msam", "follows: joint_train", "no method with a grid 'joint_train'"),
        ("follows: msam", "follows: reconboost", "no parameter with a value 'w1'"),
        ("follows: msam", "follows: masam", "follows masam: rho is 0.05 for avmnist, there 0.3"),
        ("  grid: {", "  follows: msam\n  grid: {", "a grid or follow a method, not both"),
    ],
)
def test_mistakes_in_a_grid_are_named(edit, old, new, named):
    with pytest.raises(ValueError, match=named):
        edit((old, new))


def test_mistakes_in_several_grids_are_named_together(edit):
    with pytest.raises(ValueError) as caught:
        edit(("[0.1, 0.5, 1.0, 2.0]", "[0.1, 0.6]"), ("follows: msam", "follows: x"))
    text = str(caught.value)
    assert all(part in text for part in ("asam 2", "asam grid lacks 0.5", "sam_scaled follows"))


def test_a_wrong_hyperparameter_of_what_is_followed_is_named(edit):
    old = '{value: 0.05, source: "as for SAM; the paper reports no rho"}'
    with pytest.raises(ValueError, match="msam parameter 'rho' needs a value and its source"):
        edit((old, "{}"))
