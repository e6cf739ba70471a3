"""Digests of the code that made a number, by the role of that code in a run.

Comments, docstrings and formatting do not count, nor does the file that holds a definition: code
that is only moved keeps its digests.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.configs.load import read_mapping
from benchmarks.plan.experiment import Experiment
from benchmarks.records.record import RunRecord
from datasets.registry import LOADERS, loader_of
from datasets.store.system import listed

ROOT = Path(__file__).parents[2]
SAME_NUMBERS = ROOT / "benchmarks" / "configs" / "same_numbers.yaml"
# What every run executes. Records, reports and the command line change no number.
SHARED = (
    "msam/method.py",
    "msam/model.py",
    "msam/optim.py",
    "benchmarks/training/epoch.py",
    "benchmarks/training/evaluate.py",
    "benchmarks/plan/experiment.py",
    "benchmarks/training/run.py",
    "benchmarks/training/state.py",
    "benchmarks/training/capture.py",
    "benchmarks/training/context.py",
    "benchmarks/training/numerics.py",
    "benchmarks/models/*.py",
)
PACKAGES = ("msam", "baselines", "datasets", "benchmarks")
_BESIDE = ("msam/parameters.py", "baselines/registry.py", "baselines/__init__.py")
_LOADING = ("load", "load_splits")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@cache
def code_of(method: str, dataset: str, root: Path = ROOT) -> dict[str, str]:
    """Digests of the method's own code, of the code shared by all runs, and of the data's loader.

    A method's code is its file and the files of `baselines/` and `msam/` that it imports, anywhere
    in the file and in any form. A loader's code is its file and the files of `datasets/` that it
    imports for loading. A part without files has no entry.
    """
    shared = sorted(path for pattern in SHARED for path in listed(root, pattern))
    found = {
        "method": _imported(method_files(root).get(method, ()), root, ("baselines", "msam")),
        "shared": set(shared),
        "data": _imported(_loader_files(dataset, root), root, ("datasets",)),
    }
    beside = {*shared, *(root / name for name in _BESIDE)}
    return {
        part: _digest(files - beside if part == "method" else files)
        for part, files in found.items()
        if files
    }


def method_sources(method: str, root: Path = ROOT) -> set[Path]:
    """The method's file and the files of `baselines/` and `msam/` that it imports."""
    return _imported(method_files(root).get(method, ()), root, ("baselines", "msam"))


@cache
def same_numbers(digest: str) -> frozenset[str]:
    """This digest, and those of code that was shown to give the same numbers."""
    rows = read_mapping(SAME_NUMBERS).values()
    return frozenset((digest, *(other for row in rows if digest in row for other in row)))


@cache
def method_files(root: Path) -> dict[str, tuple[Path, ...]]:
    """The file behind each registered name; for `register(name)(cls)` that of `cls`."""
    found: dict[str, tuple[Path, ...]] = {}
    for path in listed(root, "baselines/*.py"):
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
    return [str(given.value) for given in node.args if isinstance(given, ast.Constant)]


def _loader_files(dataset: str, root: Path) -> list[Path]:
    """The files of the loader and its base class, and what they import to load.

    Preparing leaves traces in the fingerprint.
    """
    if dataset not in LOADERS:
        return []
    found = []
    for cls in type(loader_of(dataset)).__mro__:
        path = root / Path(*cls.__module__.split(".")).with_suffix(".py")
        if cls.__module__.startswith("datasets."):
            nodes = [n for n in ast.walk(_tree(path)) if isinstance(n, _DEFINITIONS)]
            loads = [n for n in nodes if n.name in _LOADING]
            found += [
                path,
                *(file for node in loads for file, _ in _imports(path, node.body, root)),
            ]
    return found


def _imported(start: Iterable[Path], root: Path, packages: tuple[str, ...]) -> set[Path]:
    """The files, and all files of the packages that they import directly or indirectly.

    In `datasets` only imports at the top of a file count: a loader's other verbs import within
    functions.
    """
    found: set[Path] = set()
    waiting = list(start)
    beside = {root / name for name in _BESIDE}
    while waiting:
        path = waiting.pop()
        if path in found | beside or path.relative_to(root).parts[0] not in packages:
            continue
        found.add(path)
        nodes = _tree(path).body if "datasets" in packages else ast.walk(_tree(path))
        waiting += [file for file, _ in _imports(path, nodes, root)]
        if path.name == "__init__.py":  # it may give out the names of any of its modules
            waiting += listed(path.parent, "*.py")
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


def _digest(files: Iterable[Path]) -> str:
    """The digest of the files' statements as a set, so that neither file nor order counts."""
    parts = sorted({part for path in files for part in _parts(path)})
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), str(path))


@cache
def _parts(path: Path) -> frozenset[str]:
    """The digests of the file's statements; of its imports only the names that they define."""
    body = _tree(path).body
    statements = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
    texts = [shape(node) for node in statements[_starts_with_text(body) :]]
    texts += [text for node in body for text in _given_names(node)]
    return frozenset(hashlib.sha256(text.encode()).hexdigest() for text in texts)


def _given_names(node: object) -> list[str]:
    """The names that an import defines, and from where. Of our own modules only renamed ones: their
    content counts by itself and may be moved."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return []
    module = "" if isinstance(node, ast.Import) else node.module or ""
    level = 0 if isinstance(node, ast.Import) else node.level
    found = []
    for alias in node.names:
        name = alias.asname or alias.name
        own = level or (module or alias.name).partition(".")[0] in PACKAGES
        if not own:
            found.append(f"{name} is {module}:{alias.name}")
        elif name != alias.name:
            found.append(f"{name} is {alias.name.rpartition('.')[2]}")
    return sorted(found)


def shape(node: object) -> str:
    """A syntax tree as text without docstrings, positions and empty fields.

    Unlike the text of `ast.dump`, it is the same in every version of Python that has the same
    nodes. Imports appear with the names that they define.
    """
    if isinstance(node, list):
        return f"[{','.join(map(shape, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Import | ast.ImportFrom):
        return f"Import({','.join(_given_names(node))})"
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


PARTS = {"method": "method code", "shared": "shared code", "data": "data code"}


def changed_code(code: Mapping[str, str], method: str, dataset: str) -> list[str]:
    """The parts of the code that changed since a record with these digests.

    Empty for a record without digests: its code is unknown, which does not count as a change.
    """
    now = code_of(method, dataset) if code else {}
    return [PARTS[part] for part in now if code.get(part) not in same_numbers(now[part])]


def on_other_data(before: Mapping[str, Any], now: Experiment) -> bool:
    """Whether `before` is the same run except for the fingerprint of the prepared data."""
    values = now.to_dict()
    old, new = before.get("data", {}), values["data"]
    same = {**before, "data": {**old, "fingerprint": None}}
    return same == {**values, "data": {**new, "fingerprint": None}}


def footnote(records: Iterable[RunRecord]) -> str:
    """One sentence for a report on the records made by other code; empty if there are none."""
    changes = [
        change
        for record in records
        if (
            change := changed_code(record.code, record.experiment.method, record.experiment.dataset)
        )
    ]
    if not changes:
        return ""
    parts = ", ".join(part for part in PARTS.values() if any(part in c for c in changes))
    return (
        f"{len(changes)} records are stale: {parts} changed since; --rerun-stale trains them again"
    )
