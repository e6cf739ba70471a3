"""The wheel: `msam` alone, beside anything, with types that a checker reads. Without network."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.msam.recipes import ROOT, recipes

if int(version("setuptools").partition(".")[0]) < 77:
    pytest.skip("building the wheel needs setuptools 77 or newer", allow_module_level=True)


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the checkout, so that no build folder is left there."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "checkout"
    for package in ("msam", "baselines", "datasets", "benchmarks"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, copy / package, ignore=ignored)
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, copy)
    options = ("--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", folder)
    done = run(sys.executable, "-m", "pip", "wheel", *options, copy, cwd=folder)
    assert done.returncode == 0, done.stderr
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The Python of a fresh environment with torch, the wheel and a package named `datasets`."""
    folder = wheel.parent / "environment"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    [own] = folder.glob("lib/python*/site-packages")
    (own / "datasets").mkdir()
    (own / "datasets" / "__init__.py").write_text("OWNER = 'someone else'\n")
    (own / "torch.pth").write_text("\n".join(site.getsitepackages()))
    words = ("--python", python, "install", "--no-deps", "--no-index", wheel)
    done = run(sys.executable, "-m", "pip", *words, cwd=wheel.parent)
    assert done.returncode == 0, done.stderr
    return python


def test_it_holds_msam_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"msam", "modality_aware_sam"}
    modules = {path.name for path in (ROOT / "msam").glob("*.py")} | {"py.typed", "README.md"}
    assert {name.split("/")[1] for name in names if name.startswith("msam/")} == modules


def test_it_requires_torch_and_nothing_else(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    [path] = [name for name in archive.namelist() if name.endswith("METADATA")]
    metadata = Parser().parsestr(archive.read(path).decode())
    assert metadata["Name"] == "modality-aware-sam"
    assert metadata.get_all("Requires-Dist") == ["torch>=2.1"]
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_payload().startswith("# Modality-Aware SAM for any PyTorch training loop")
    assert any(name.endswith("LICENSE") for name in archive.namelist())


def test_it_leaves_another_package_named_datasets_alone(installed: Path, tmp_path: Path) -> None:
    code = "import datasets, msam; print(datasets.OWNER, msam.__version__, msam.__file__)"
    done = run(installed, "-c", code, cwd=tmp_path)
    owner, number, place = done.stdout.rsplit(maxsplit=2)
    assert (owner, number) == ("someone else", _version())
    assert Path(place).is_relative_to(installed.parents[1])


def _version() -> str:
    import msam

    return msam.__version__


def test_its_readme_runs(installed: Path, tmp_path: Path) -> None:
    [code] = recipes(ROOT / "msam" / "README.md").values()
    done = run(installed, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[1].rstrip(",")) < 1.0


RIGHT = """
import torch
from msam import MSAMOptimizer, modality_shares, sharpened

model = torch.nn.Linear(3, 2)
nu = modality_shares(lambda present: float("a" in present), ("a", "b"), negatives="softmax")
with sharpened(model, rho=0.05, share=nu["a"]):
    pass
optimizer = MSAMOptimizer(model, torch.optim.SGD(model.parameters(), lr=0.1), rho=0.05)
optimizer.share = max(nu.values())
"""
MISTAKES = {
    "from msam import sharpend": "attr-defined",
    "with sharpened(model, rho=0.05): pass": "call-arg",
    'modality_shares(lambda present: 1.0, ("a", "b"), negatives="clamp")': "arg-type",
}


def test_a_type_checker_passes_right_use_and_finds_three_mistakes(
    installed: Path, tmp_path: Path
) -> None:
    """Torch itself is not followed: reading it takes mypy a minute."""
    pytest.importorskip("mypy", reason="mypy is not installed; requirements.txt has its version")
    settings = "[mypy]\nstrict = true\n[mypy-torch.*]\nfollow_imports = skip\n"
    (tmp_path / "mypy.ini").write_text(settings)
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(RIGHT + "\n".join(MISTAKES))
    words = ("-m", "mypy", "--python-executable", installed, "right.py", "wrong.py")
    found = run(sys.executable, *words, cwd=tmp_path).stdout.splitlines()
    errors = [line for line in found if ": error:" in line]
    first = len(RIGHT.splitlines()) + 1
    places = [f"wrong.py:{first + number}:" for number in range(len(MISTAKES))]
    assert [line.split(" ")[0] for line in errors] == places, found
    assert [line.rpartition("[")[2].rstrip("]") for line in errors] == list(MISTAKES.values())
