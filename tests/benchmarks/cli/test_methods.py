"""new-method writes a baseline that works, or nothing; check-method runs its tests alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from argparse import Namespace

import pytest
import yaml

from benchmarks.cli import methods
from benchmarks.configs.load import CONFIGS, load_config
from benchmarks.configs.schema import MethodConfig
from msam.parameters import field_problems
from tests.documents import copy_of_suite


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder for baselines and a copy of the configuration; `place / "methods.yaml"`."""
    folder = tmp_path / "configs"
    shutil.copytree(CONFIGS, folder)
    monkeypatch.setattr(methods, "BASELINES", tmp_path / "baselines")
    monkeypatch.setattr(methods, "CONFIGS", folder)
    monkeypatch.setattr(methods, "load_config", lambda: load_config(folder))
    return folder


def new(name):
    """The lines that new-method says."""
    said = []
    assert methods.new_method(Namespace(name=name), said.append) == 0
    return said


def written(place):
    return sorted(path.name for path in place.parent.glob("baselines/*"))


def test_a_new_method_has_a_file_and_an_entry(place):
    said = new("my_method")
    assert written(place) == ["my_method.py"]
    text = (place.parent / "baselines" / "my_method.py").read_text()
    assert '@register("my_method")\nclass MyMethod(Method):' in text
    entry = load_config(place).methods["my_method"]
    assert (entry.label, entry.group) == ("My method", "extension")
    assert "./reproduce.sh check-method my_method" in said[-1]


def test_the_rest_of_the_yaml_stays_as_it_was(place):
    before = (place / "methods.yaml").read_text()
    assert before.startswith("#")
    new("first")
    new("second")
    assert (place / "methods.yaml").read_text().startswith(before)
    names = list(yaml.safe_load((place / "methods.yaml").read_text()))
    assert names == [*yaml.safe_load(before), "first", "second"]


def test_an_entry_starts_on_a_line_of_its_own(place):
    file = place / "methods.yaml"
    file.write_text(file.read_text().rstrip("\n"))
    new("third")
    assert "third" in load_config(place).methods


def test_colours_of_new_methods_are_all_different(place):
    for index in range(12):
        new(f"method_{index}x")
    colours = [m.colour.lower() for m in load_config(place).methods.values()]
    assert len(set(colours)) == len(colours)


INVALID = [
    "",
    "My",
    "my-method",
    "1st",
    "my method",
    "../x",
    "_x",
    "x_",
    "a__b",
    "class",
    "on",
    "é",
]


@pytest.mark.parametrize("name", [*INVALID, "x\n"])
def test_an_invalid_name_is_refused_and_nothing_written(place, name):
    before = (place / "methods.yaml").read_text()
    with pytest.raises(ValueError, match="name"):
        new(name)
    assert (place / "methods.yaml").read_text() == before
    assert written(place) == []


@pytest.mark.parametrize("name", ["sam", "msam", "joint_train"])
def test_an_existing_method_is_refused(place, name):
    with pytest.raises(ValueError, match=f"'{name}' exists already"):
        new(name)
    assert written(place) == []


def test_an_existing_file_is_never_overwritten(place):
    file = place.parent / "baselines" / "mine.py"
    file.parent.mkdir()
    file.write_text("precious")
    with pytest.raises(ValueError, match=r"mine\.py exists already"):
        new("mine")
    assert file.read_text() == "precious"


def test_a_broken_configuration_is_named_before_anything_is_written(place):
    (place / "methods.yaml").write_text("sam: [")
    with pytest.raises(ValueError, match=r"methods\.yaml cannot be read"):
        new("mine")
    assert written(place) == []


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_nothing_behind(place, monkeypatch, error):
    plain = methods.write_text

    def failing(path, text):
        if path.suffix == ".yaml":
            raise error
        plain(path, text)

    before = (place / "methods.yaml").read_text()
    monkeypatch.setattr(methods, "write_text", failing)
    with pytest.raises(type(error)):
        new("mine")
    assert written(place) == []
    assert (place / "methods.yaml").read_text() == before


@pytest.mark.parametrize("name", ["method", "tensor", "non_negative", "multimodal_model"])
def test_a_class_never_hides_what_the_skeleton_imports(place, name):
    new(name)
    text = (place.parent / "baselines" / f"{name}.py").read_text()
    assert "Method(Method):" in text
    assert "class Method(" not in text


@pytest.mark.parametrize("status", [0, 1, 5])
def test_check_method_has_the_status_of_pytest(monkeypatch, status):
    done = Namespace(returncode=status)
    monkeypatch.setattr(subprocess, "run", lambda words, **_: done)
    said = []
    assert methods.check_method(Namespace(name="sam"), said.append) == status
    assert ("keeps the contract" in said[0]) == (status == 0)
    assert ("is not registered" in said[0]) == (status == 5)


def test_check_method_runs_the_tests_of_one_method_alone(monkeypatch):
    calls = []
    plain = subprocess.run

    def collect(words, **options):
        calls.append(plain([*words, "--collect-only"], capture_output=True, text=True, **options))
        return calls[0]

    monkeypatch.setattr(subprocess, "run", collect)
    assert methods.check_method(Namespace(name="sam"), lambda text: None) == 0
    tests = [line for line in calls[0].stdout.splitlines() if "::" in line]
    assert len(tests) > 50
    assert all("[sam-" in line or "[sam]" in line or "test_sam.py" in line for line in tests)


def _call(tree, *words):
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True)


def test_the_skeleton_keeps_the_contract_and_a_broken_one_does_not(tmp_path):
    """In a copy of the whole suite, as a user would do it."""
    copy_of_suite(tmp_path)
    assert _call(tmp_path, "new-method", "my_method").returncode == 0
    checked = _call(tmp_path, "check-method", "my_method")
    assert checked.returncode == 0, checked.stdout
    assert "my_method keeps the contract" in checked.stdout
    assert _call(tmp_path, "new-method", "my_method").returncode == 2

    file = tmp_path / "baselines" / "my_method.py"
    text = file.read_text()
    assert "self.optimizer.zero_grad()" in text
    file.write_text(text.replace("self.optimizer.zero_grad()", "loss.item()"))
    broken = _call(tmp_path, "check-method", "my_method")
    assert broken.returncode == 1
    assert "does not keep the contract" in broken.stdout


def test_the_entry_needs_nothing_more(place):
    new("mine")
    entry = yaml.safe_load((place / "methods.yaml").read_text())["mine"]
    assert field_problems(MethodConfig, entry, "methods.yaml") == []
