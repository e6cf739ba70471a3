"""Digests of the code behind a number: comments, docstrings and formatting do not count."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from datasets.known import LOADERS, loader_of

ROOT = Path(__file__).parent.parent
# What every run goes through. Records, reports and the command line change no number.
SHARED = (
    "msam/method.py",
    "msam/model.py",
    "msam/optim.py",
    "benchmarks/epoch.py",
    "benchmarks/evaluate.py",
    "benchmarks/experiment.py",
    "benchmarks/harness.py",
    "benchmarks/training.py",
    "benchmarks/capture.py",
    "benchmarks/precision.py",
    "benchmarks/models/*.py",
)
_BESIDE = ("msam/parameters.py", "baselines/registry.py", "baselines/__init__.py")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@cache
def code_of(method: str, dataset: str, root: Path = ROOT) -> dict[str, str]:
    """Digests of the method's own code, of the code shared by all runs, and of the data's loader.

    A method's code is its file and those of `baselines/` and `msam/` that it imports, wherever in
    the file and in whatever form; a loader's is its file and those of `datasets/` that it loads
    with. Empty for what has no file here.
    """
    shared = sorted(path for pattern in SHARED for path in root.glob(pattern))
    found = {
        "method": _imported(_method_files(root).get(method, ()), root, ("baselines", "msam")),
        "shared": set(shared),
        "data": _imported(_loader_files(dataset, root), root, ("datasets",)),
    }
    beside = {*shared, *(root / name for name in _BESIDE)}
    return {
        part: _digest(sorted(files - beside if part == "method" else files), root)
        for part, files in found.items()
        if files
    }


@cache
def _method_files(root: Path) -> dict[str, tuple[Path, ...]]:
    """The file behind each registered name; for `register(name)(cls)` that of `cls`."""
    found = {}
    for path in sorted(root.glob("baselines/*.py")):
        for node in _tree(path).body:
            for call in getattr(node, "decorator_list", []):
                found |= dict.fromkeys(_registered(call), (path,))
            call = node.value if isinstance(node, ast.Expr) else None
            if isinstance(call, ast.Call) and (names := _registered(call.func)):
                nodes = [node for argument in call.args for node in ast.walk(argument)]
                wanted = {node.id for node in nodes if isinstance(node, ast.Name)}
                files = (f for f, name in _imports(path, _tree(path).body, root) if name in wanted)
                found |= dict.fromkeys(names, tuple(files))
    return found


def _registered(node: ast.expr) -> list[str]:
    """The names in the expression if it is `register("<name>")`."""
    if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "register":
        return []
    return [argument.value for argument in node.args if isinstance(argument, ast.Constant)]


def _loader_files(dataset: str, root: Path) -> list[Path]:
    """The loader's file and what its `load` imports: preparing leaves traces in the fingerprint."""
    if dataset not in LOADERS:
        return []
    module = type(loader_of(dataset)).__module__
    path = root / Path(*module.split(".")).with_suffix(".py")
    loads = [n for n in ast.walk(_tree(path)) if isinstance(n, _DEFINITIONS) and n.name == "load"]
    return [path, *(file for node in loads for file, _ in _imports(path, node.body, root))]


def _imported(start: Iterable[Path], root: Path, packages: tuple[str, ...]) -> set[Path]:
    """The files and, step by step, those of the packages that they import.

    Of `datasets` at the top of a file only, as a loader's other verbs import within functions.
    """
    waiting, found = list(start), set()
    beside = {root / name for name in _BESIDE}
    while waiting:
        path = waiting.pop()
        if path in found | beside or path.relative_to(root).parts[0] not in packages:
            continue
        found.add(path)
        nodes = _tree(path).body if "datasets" in packages else ast.walk(_tree(path))
        waiting += [file for file, _ in _imports(path, nodes, root)]
        if path.name == "__init__.py":  # it may give out the names of any of its modules
            waiting += path.parent.glob("*.py")
    return found


def _imports(path: Path, nodes: Iterable[ast.AST], root: Path) -> Iterator[tuple[Path, str]]:
    """The files that the import statements among the nodes of `path` name, each with the name
    under which its content is known here."""
    for node in nodes:
        start: tuple[str, ...] = ()
        if isinstance(node, ast.ImportFrom):
            folders = path.relative_to(root).parent.parts
            start = folders[: len(folders) + 1 - node.level] if node.level else ()
            start += tuple(filter(None, (node.module or "").split(".")))
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            module = (*start, *alias.name.split("."))
            if file := _file(root, module) or (start and _file(root, start)):
                yield file, alias.asname or alias.name.partition(".")[0]


def _file(root: Path, module: Sequence[str]) -> Path | None:
    """The file of a module or of a package of ours."""
    place = root.joinpath(*module)
    files = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _digest(files: Iterable[Path], root: Path) -> str:
    parts = (f"{path.relative_to(root).as_posix()} {_file_digest(path)}" for path in files)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), str(path))


@cache
def _file_digest(path: Path) -> str:
    return hashlib.sha256(shape(_tree(path)).encode()).hexdigest()


def shape(node: object) -> str:
    """A syntax tree as text without docstrings, positions and empty fields.

    Unlike that of `ast.dump`, the same in every version of Python that has the same nodes.
    """
    if isinstance(node, list):
        return f"[{','.join(map(shape, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {
        name: value
        for name in node._fields
        if (value := getattr(node, name, None)) not in (None, [])
    }
    if isinstance(node, (ast.Module, *_DEFINITIONS)) and _starts_with_text(node.body):
        fields["body"] = node.body[1:]
    return f"{type(node).__name__}({','.join(f'{name}={shape(v)}' for name, v in fields.items())})"


def _starts_with_text(body: list[ast.stmt]) -> bool:
    """Whether the first statement is a docstring."""
    value = body[0].value if body and isinstance(body[0], ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
