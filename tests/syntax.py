"""What the architecture tests read from the syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("msam", "baselines", "datasets", "benchmarks")
Function = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)
_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


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


def functions(path: Path) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, _FUNCTIONS))


def length(function: Function) -> int:
    """Lines from `def` to the end without the docstring."""
    total = function.end_lineno - function.lineno + 1
    text = ast.get_docstring(function, clean=False)
    if text is None:
        return total
    docstring = function.body[0]
    return total - (docstring.end_lineno - docstring.lineno + 1)


def depth(node: ast.AST) -> int:
    """How many if, for, while, with, try and match enclose the deepest statement.

    An `elif` is as deep as its `if`; a nested function or class starts again at zero.
    """
    return max((_depth_of(child, node) for child in ast.iter_child_nodes(node)), default=0)


def _depth_of(child: ast.AST, parent: ast.AST) -> int:
    if isinstance(child, _SCOPES):
        return 0
    chained = isinstance(parent, ast.If) and isinstance(child, ast.If) and parent.orelse == [child]
    own = isinstance(child, _BLOCKS) and not chained
    return own + depth(child)


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
