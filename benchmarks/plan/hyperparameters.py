"""The hyperparameters of a method as its file declares them, read without importing it: an import
loads torch, which takes seconds.

The keyword-only arguments of `__init__` are the only list of a method's hyperparameters, see
`msam/parameters.py`. A class without `__init__` has its base's. Names are followed to the files
that they are imported from.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.host import ROOT
from benchmarks.records.code import method_files

UNREADABLE = "see the file"
_NUMBERS = {"int": "a whole number", "float": "a number"}
_WORDS = {"bool": "true or false", "str": "a word", "None": "null"}


@dataclass(frozen=True)
class Hyperparameter:
    """A hyperparameter: its default as YAML writes it, and in words which values it may have.

    `options` are the values of a `Literal`, and empty for every other kind.
    """

    name: str
    default: str
    allowed: str
    options: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Declared:
    """What the file of a method says: its path, the first paragraph about its class, the
    hyperparameters, and sentences on what it refuses to train."""

    path: Path
    about: str
    hyperparameters: tuple[Hyperparameter, ...]
    refuses: tuple[str, ...]


def declared(method: str) -> Declared:
    """What the file of a method says; ValueError if no file registers it."""
    files = method_files(ROOT).get(method)
    if not files:
        raise ValueError(f"no file in baselines registers the method '{method}'")
    place = _Place(files[0], _registered_class(files[0], method))
    classes = list(_lineage(place))
    (init, where), *_ = [found for each in classes if (found := _function(each, "__init__"))]
    arguments = zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
    return Declared(
        files[0],
        " ".join((ast.get_docstring(place.node) or "").partition("\n\n")[0].split()),
        tuple(
            Hyperparameter(
                a.arg,
                _yaml(default, where),
                _allowed(a.annotation, where),
                _options(a.annotation, where),
            )
            for a, default in arguments
        ),
        tuple(next((_sentences(f[0]) for c in classes if (f := _function(c, "unsupported"))), ())),
    )


@dataclass(frozen=True)
class _Place:
    """A definition, and the file in which its names have their meaning."""

    path: Path
    node: Any


def _registered_class(path: Path, method: str) -> ast.ClassDef:
    """The class with the decorator of this method's name, else the last one of the file."""
    classes = [node for node in _body(path) if isinstance(node, ast.ClassDef)]
    for each in classes:
        names = [a.value for d in each.decorator_list for a in getattr(d, "args", ())
                 if isinstance(a, ast.Constant)]  # fmt: skip
        if method in names:
            return each
    return classes[-1]


def _lineage(place: _Place) -> list[_Place]:
    """The class and its bases in our files, nearest first."""
    bases = [_found(base.id, place.path) for base in place.node.bases if isinstance(base, ast.Name)]
    return [place, *(above for base in bases if base for above in _lineage(base))]


def _function(place: _Place, name: str) -> tuple[ast.FunctionDef, Path] | None:
    for node in place.node.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node, place.path
    return None


def _found(name: str, path: Path) -> _Place | None:
    """What a name means in a file: the class or the value, here or where it is imported from."""
    for node in _body(path):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _Place(path, node)
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if name in [getattr(target, "id", None) for target in targets] and node.value:  # type: ignore[attr-defined]
            return _Place(path, node.value)  # type: ignore[attr-defined]
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            source = ROOT / Path(*node.module.split(".")).with_suffix(".py")  # type: ignore[union-attr]
            return _found(name, source) if source.exists() else None
    return None


@cache
def _body(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


def _yaml(default: ast.expr | None, path: Path) -> str:
    if isinstance(default, ast.Name) and (constant := _found(default.id, path)):
        return _yaml(constant.node, constant.path)
    value = ast.unparse(default) if default else UNREADABLE
    return {"None": "null", "True": "true", "False": "false"}.get(value, value.strip("'"))


def _allowed(hint: ast.expr | None, path: Path) -> str:
    """The values that an annotation allows, in words."""
    if isinstance(hint, ast.BinOp):
        return f"{_allowed(hint.left, path)}, or {_allowed(hint.right, path)}"
    if isinstance(hint, ast.Constant):
        return _WORDS.get(str(hint.value), UNREADABLE)
    if isinstance(hint, ast.Name):
        known = {**_NUMBERS, **_WORDS}.get(hint.id)
        other = None if known else _found(hint.id, path)
        return known or (_allowed(other.node, other.path) if other else UNREADABLE)
    if isinstance(hint, ast.Subscript) and isinstance(hint.value, ast.Name):
        parts = hint.slice.elts if isinstance(hint.slice, ast.Tuple) else [hint.slice]
        if hint.value.id == "Literal":
            return ", ".join(str(part.value) for part in parts)  # type: ignore[attr-defined]
        if hint.value.id == "Annotated":
            return _allowed(parts[0], path) + _bounds(parts[1])
        if hint.value.id == "Mapping":
            return "a mapping, such as {audio: 1.0, visual: 1.0}"
    return UNREADABLE


def _options(hint: ast.expr | None, path: Path) -> tuple[Any, ...]:
    """The values of an annotation that is a `Literal`, or a name of one."""
    if isinstance(hint, ast.Name) and (other := _found(hint.id, path)):
        return _options(other.node, other.path)
    if not isinstance(hint, ast.Subscript) or getattr(hint.value, "id", "") != "Literal":
        return ()
    values = ast.literal_eval(hint.slice)
    return values if isinstance(values, tuple) else (values,)


def _bounds(interval: ast.expr) -> str:
    numbers = [ast.unparse(number) for number in getattr(interval, "args", ())]
    return (f" from {' to '.join(numbers)}" if len(numbers) > 1 else f", at least {numbers[0]}"
            if numbers else "")  # fmt: skip


def _sentences(function: ast.FunctionDef) -> list[str]:
    """The texts that a function may return."""
    nodes = [
        n for each in ast.walk(function) if isinstance(each, ast.Return) for n in ast.walk(each)
    ]
    texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [text for text in texts if " " in text]
