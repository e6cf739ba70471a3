"""The rules about the whole: who imports whom, who may name what."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from baselines.registry import METHODS
from datasets.registry import LOADERS
from tests import syntax
from tests.syntax import PACKAGES, ROOT, sources, where
from tests.tiny import MODALITIES

MAY_IMPORT = {
    "msam": {"msam"},
    "baselines": {"baselines", "msam"},
    "datasets": {"datasets"},
    "benchmarks": {"benchmarks", "baselines", "datasets", "msam"},
}
WITHOUT_TORCH = ["msam", "datasets"]


def none_of(offenders: Iterable[str], rule: str) -> None:
    """Fails with the rule and one offender a line."""
    found = list(offenders)
    assert not found, "\n  ".join([rule, *found])


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_downwards_only(package: str) -> None:
    allowed = MAY_IMPORT[package]
    ours = {*PACKAGES, "tests"}
    none_of(
        (
            f"{where(path, node)} imports {name}"
            for path in sources(package)
            for node, name in syntax.imports(path)
            if name.split(".")[0] in ours - allowed
        ),
        f"{package} may import of ours only {', '.join(sorted(allowed))}:",
    )


def test_imports_are_absolute() -> None:
    none_of(
        (
            f"{where(path, node)} imports {name}"
            for path in sources(*PACKAGES)
            for node, name in syntax.imports(path)
            if name.startswith(".")
        ),
        "an import names its package in full:",
    )


def _modules(folder: Path) -> list[str]:
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in sources(str(folder))]
    return [".".join(part for part in names if part != "__init__") for names in parts]


def _loads_torch(modules: list[str]) -> bool:
    """Whether a fresh interpreter has torch loaded after importing the modules."""
    lines = [f"import {name}" for name in modules]
    code = "\n".join(["import sys", *lines, "sys.exit('torch' in sys.modules)"])
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode in (0, 1) and not run.stderr, run.stderr
    return run.returncode == 1


@pytest.mark.parametrize("package", WITHOUT_TORCH)
def test_package_is_imported_without_torch(package: str) -> None:
    """Planning and reporting must not wait for it."""
    assert not _loads_torch([package])


def test_torch_is_noticed_when_it_is_loaded() -> None:
    assert _loads_torch(["msam.model"])


def test_no_import_circle() -> None:
    """Between files, within functions too: no file is needed to import itself."""
    graph = {path: set(syntax.imported_files(path)) for path in sources(*PACKAGES)}
    none_of(
        (" -> ".join(str(path.relative_to(ROOT)) for path in circle) for circle in circles(graph)),
        "imports point one way; these files import each other:",
    )


def circles(graph: dict[Path, set[Path]]) -> list[list[Path]]:
    """The groups of files that reach each other, each sorted."""
    reached: dict[Path, set[Path]] = {}
    for start in graph:
        waiting, found = list(graph[start]), set()
        while waiting:
            if (path := waiting.pop()) not in found:
                found.add(path)
                waiting += graph.get(path, ())
        reached[start] = found
    groups = {
        tuple(sorted(p for p in reached[start] if start in reached.get(p, ())))
        for start in graph
        if start in reached[start]
    }
    return [list(group) for group in sorted(groups)]


def test_a_circle_is_found() -> None:
    a, b, c, d = (Path(name) for name in "abcd")
    assert circles({a: {b}, b: {c}, c: {b}, d: {d}}) == [[b, c], [d]]


def test_report_is_made_without_torch() -> None:
    modules = _modules(Path("benchmarks/report"))
    if not modules:
        pytest.skip("benchmarks/report has no files yet")
    guilty = [name for name in modules if _loads_torch([name])] if _loads_torch(modules) else []
    none_of(guilty, "the report reads records only; these load torch:")


@pytest.mark.parametrize("path", sources("benchmarks/training"), ids=lambda path: path.name)
def test_harness_names_no_method_dataset_or_modality(path: Path) -> None:
    names = {*METHODS, *LOADERS, *MODALITIES}
    keys = {f"{metric}_{m}" for metric in ("acc", "loss") for m in MODALITIES}
    none_of(
        (
            f"{where(path, node)} says {word!r}"
            for node, word in syntax.words(path)
            if word in names | keys
        ),
        "the harness asks its objects and never branches on a name:",
    )


def test_only_the_command_line_prints() -> None:
    none_of(
        (
            where(path, call)
            for path in sources(*PACKAGES)
            if path != ROOT / "benchmarks" / "__main__.py"
            for call in syntax.calls(path, "print")
        ),
        "print belongs into benchmarks/__main__.py:",
    )


OFFENDING = '''
from ..msam import model
import msam.model as other

def long(x):
    """Two
    lines."""
    if x:
        for y in x:
            with y:
                while y:
                    print("audio")
    elif x is None:
        pass
    def inner():
        if y: pass
    return audio.text
'''


def test_the_syntax_reader_sees_what_it_should(tmp_path: Path) -> None:
    path = tmp_path / "offending.py"
    path.write_text(OFFENDING)
    assert [name for _, name in syntax.imports(path)] == ["..msam", "msam.model"]
    assert len(list(syntax.calls(path, "print"))) == 1
    found = [word for _, word in syntax.words(path)]
    assert found.count("audio") == 2 and "text" in found and "Two\n    lines." not in found
