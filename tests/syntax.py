"""What the architecture tests read from the syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("msam", "baselines", "datasets", "benchmarks")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def sources(*packages: str, root: Path = ROOT) -> list[Path]:
    """The Python files of the packages."""
    return sorted(path for package in packages for path in (root / package).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(), str(path))


def where(path: Path, node: ast.AST | None = None) -> str:
    """`folder/file.py:line`, to click on."""
    place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return f"{place}:{node.lineno}" if node else str(place)


def imports(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Every imported module, by its full name; also those imported inside functions."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node, "." * node.level + (node.module or "")


def imported_files(path: Path, root: Path = ROOT) -> Iterator[Path]:
    """The files of ours that a file imports: of `from a import b` the file of b, else that of a."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            place = root / Path(*name.split("."))
            options = (place.with_suffix(".py"), place / "__init__.py")
            options += (place.parent.with_suffix(".py"), place.parent / "__init__.py")
            yield from [option for option in options if option.is_file()][:1]


def words(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Every identifier and every string that is no docstring."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.Module, *_SCOPES)) and ast.get_docstring(node) is not None
    }
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in docstrings:
                yield node, node.value
            continue
        names = (getattr(node, field, None) for field in ("id", "attr", "arg", "name"))
        yield from ((node, name) for name in names if name)


def calls(path: Path, name: str) -> Iterator[ast.Call]:
    """Every call of the plain function `name`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node
