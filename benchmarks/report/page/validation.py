"""What the test suite checks of each method: golden files, their tests, rows of the ledger.

The page states no result of a test. It says what is checked and how to run it.
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from benchmarks.configs.load import refuse
from benchmarks.configs.schema import MethodConfig
from benchmarks.plan.workspace import ROOT
from benchmarks.report.page.ledger import Ledger, read_ledgers
from benchmarks.report.page.write import LEDGERS, environment, style

PLACES = Path(__file__).with_name("validation.yaml")
TOLERANCE = "1e-8"
CODE = "released code does"  # the ledgers' column of what published code does
_KEYS = {"methods": {"golden", "spec", "none"}, "shared": {"title", "source", "golden", "spec"}}
_NOTHING = {"", "none", "no code found"}  # no statement about the published code
_SILENT = {"", "unknown", "no window known"}  # no statement of the paper
_FOLLOWED = ("as code", "the same", "code")


@dataclass(frozen=True)
class GoldenFile:
    """A file of golden vectors: its cases, the published code, and the tests that read it."""

    name: str
    cases: int
    source: str
    tests: tuple[str, ...]
    tolerance: str


@dataclass(frozen=True)
class LedgerRow:
    """A row of a ledger by the names of its columns; the cells are safe HTML."""

    header: tuple[Markup, ...]
    cells: tuple[Markup, ...]

    @property
    def compares_code(self) -> bool:
        """Whether the row says what published code does."""
        return self._named(CODE) not in _NOTHING

    @property
    def differs(self) -> bool:
        """Whether the published code departs from the paper or from what runs here."""
        followed = self._named("we do").startswith(_FOLLOWED)
        return self.compares_code and (not followed or self._named("paper says") not in _SILENT)

    @property
    def told(self) -> list[tuple[Markup, Markup]]:
        """The cells that hold something, after the first, each with the name of its column."""
        cells = zip(self.header, self.cells, strict=True)
        return [(name, cell) for name, cell in list(cells)[1:] if cell]

    def _named(self, column: str) -> str:
        """The text of the cell in a column; empty without such a column."""
        cells = zip(self.header, self.cells, strict=True)
        return next((_text(cell) for name, cell in cells if _text(name) == column), "")


@dataclass(frozen=True)
class Part:
    """A section of the page: a method, or a part that methods share. `source` is a path."""

    name: str
    title: str
    reference: str
    source: str
    golden: tuple[GoldenFile, ...] = ()
    rows: tuple[LedgerRow, ...] = ()
    notes: tuple[Markup, ...] = ()
    none: str = ""
    is_method: bool = True

    @property
    def command(self) -> str:
        """The command that runs the tests of this part's golden files; empty without any."""
        names = " or ".join(file.name for file in self.golden)
        return f'./reproduce.sh test {_files(self.golden)} -k "{names}"' if names else ""

    @property
    def compares_code(self) -> bool:
        """Whether the ledger says of any published code what it does."""
        return any(row.compares_code for row in self.rows)

    @property
    def differences(self) -> list[LedgerRow]:
        """The rows in which the published code departs from the paper or from what runs here."""
        return [row for row in self.rows if row.differs]

    @property
    def tables(self) -> list[tuple[tuple[Markup, ...], list[LedgerRow]]]:
        """The rows by their header."""
        grouped: dict[tuple[Markup, ...], list[LedgerRow]] = defaultdict(list)
        for row in self.rows:
            grouped[row.header].append(row)
        return list(grouped.items())


@dataclass(frozen=True)
class Evidence:
    """Where the page's facts are read: the repository, the ledgers and `validation.yaml`."""

    methods: Mapping[str, MethodConfig]
    root: Path = ROOT
    ledgers: Path = LEDGERS
    places: Mapping[str, Any] = field(
        default_factory=lambda: yaml.safe_load(PLACES.read_text(encoding="utf-8"))
    )

    @cached_property
    def golden(self) -> dict[str, GoldenFile]:
        """Every file of `tests/golden` by its name without the ending."""
        tests = golden_tests(self.root)
        tolerances = self.places["tolerances"]
        found = {}
        for path in sorted((self.root / "tests" / "golden").glob("*.json")):
            content = json.loads(path.read_text(encoding="utf-8"))
            short = re.sub(r"(@[0-9a-f]{12})[0-9a-f]{28}\b", r"\1", content["source"])
            found[path.stem] = GoldenFile(
                path.stem,
                len(content["cases"]),
                short,
                tests.get(path.stem, ()),
                tolerances.get(path.stem, TOLERANCE),
            )
        return found

    @cached_property
    def tables(self) -> list[Ledger]:
        """The ledgers of the document."""
        return read_ledgers(self.ledgers)

    @property
    def entries(self) -> dict[str, Mapping[str, Any]]:
        """Methods and shared parts by name, with what `validation.yaml` says of them."""
        listed = self.places["methods"]
        return {name: listed.get(name, {}) for name in self.methods} | self.places["shared"]

    def owners(self, file: str) -> list[str]:
        """The parts to which a golden file belongs: those that list it, else by its name."""
        listed = [
            name
            for name, entry in self.entries.items()
            if any(fnmatch(file, pattern) for pattern in entry.get("golden", ()))
        ]
        by_name = [name for name in self.methods if file.startswith(f"{name}_")]
        return listed or sorted(by_name, key=len)[-1:]

    def row_owners(self, table: Ledger, row: Sequence[Markup]) -> list[str]:
        """The parts to which a row belongs: by its number, else by the labels that begin it."""
        first = _text(row[0])
        if _text(table.header[0]) == "#":
            return [name for name, entry in self.entries.items() if first in map(str, _spec(entry))]
        labels = {method.label: name for name, method in self.methods.items()}
        named = first.partition(":")[0].split(", ")
        return [labels[label] for label in named] if labels.keys() >= set(named) else []

    def problems(self) -> list[str]:
        """Everything that the page could not show, or would show in a wrong place."""
        return [*self._entry_problems(), *self._golden_problems(), *self._ledger_problems()]

    def _entry_problems(self) -> Iterable[str]:
        for kind, keys in _KEYS.items():
            for name, entry in self.places[kind].items():
                if kind == "methods" and name not in self.methods:
                    yield f"{PLACES.name}: '{name}' is no method of methods.yaml"
                if unknown := sorted(entry.keys() - keys):
                    yield f"{PLACES.name}: {name} has {unknown}; it may have {sorted(keys)}"
                for pattern in entry.get("golden", ()):
                    if not any(fnmatch(file, pattern) for file in self.golden):
                        yield f"{PLACES.name}: {name}: no golden file is named {pattern}"
        for file in self.places["tolerances"].keys() - self.golden.keys():
            yield f"{PLACES.name}: tolerances: there is no golden file {file}"

    def _golden_problems(self) -> Iterable[str]:
        for name, file in self.golden.items():
            if not self.owners(name):
                yield (
                    f"tests/golden/{name}.json belongs to no method: name it METHOD_*.json, or "
                    f"enter it in {PLACES.name}"
                )
            if not file.tests:
                yield f'tests/golden/{name}.json: no test has the decorator @golden("{name}")'
        owned = {owner for name in self.golden for owner in self.owners(name)}
        for name, method in self.methods.items():
            reason = self.entries[name].get("none")
            if method.group == "table" and name not in owned and not reason:
                yield f"{name} has no golden file; say why in {PLACES.name}, as 'none'"
            if reason and name in owned:
                yield f"{PLACES.name}: {name} says why it has no golden file, but it has one"

    def _ledger_problems(self) -> Iterable[str]:
        for table in self.tables:
            for line in table.uneven:
                yield f"{self.ledgers.name}, line {line}: its cells are not {len(table.header)}"
            for row in table.rows:
                if not self.row_owners(table, row):
                    yield (
                        f"{self.ledgers.name}, {table.title}: the row '{_text(row[0])}' belongs to "
                        "no method: begin it with labels of methods.yaml and a colon, or enter its "
                        f"number in {PLACES.name}"
                    )

    def parts(self) -> list[Part]:
        """The shared parts and the methods, in that order.

        ValueError names every golden file and every row of a ledger that belongs to no part, and
        every mistake in `validation.yaml`.
        """
        refuse(self.problems(), "the validation page cannot be made:")
        shared = [self._shared(name, entry) for name, entry in self.places["shared"].items()]
        return [*shared, *(self._method(name, method) for name, method in self.methods.items())]

    def _shared(self, name: str, entry: Mapping[str, Any]) -> Part:
        golden, rows = self._golden_of(name), self._rows_of(name)
        title, source = entry["title"], entry["source"]
        return Part(name, title, "", source, golden, rows, is_method=False)

    def _method(self, name: str, method: MethodConfig) -> Part:
        files = [f"{package}/{name}.py" for package in ("baselines", "msam")]
        source = next((path for path in files if (self.root / path).is_file()), "")
        golden, none = self._golden_of(name), self.entries[name].get("none", "")
        return Part(
            name,
            method.label,
            method.reference,
            source,
            golden,
            self._rows_of(name),
            self._notes_on(name, method.label),
            none or ("" if golden else "No vectors were made."),
        )

    def _golden_of(self, name: str) -> tuple[GoldenFile, ...]:
        return tuple(file for stem, file in self.golden.items() if name in self.owners(stem))

    def _rows_of(self, name: str) -> tuple[LedgerRow, ...]:
        return tuple(
            LedgerRow(table.header, row)
            for table in self.tables
            for row in table.rows
            if name in self.row_owners(table, row)
        )

    def _notes_on(self, name: str, label: str) -> tuple[Markup, ...]:
        """The paragraphs that name the method below the tables that have a row of it."""
        word = re.compile(rf"(?<![\w-]){re.escape(label)}(?![\w-])")
        return tuple(
            note
            for table in self.tables
            if any(name in self.row_owners(table, row) for row in table.rows)
            for note in table.notes
            if word.search(_text(note))
        )


def golden_tests(root: Path) -> dict[str, tuple[str, ...]]:
    """For each golden file the tests below `root` that read it, as `path::function`.

    A test reads the file that its decorator `golden("NAME")` names.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if '@golden("' not in text:
            continue
        functions = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
        for function in functions:
            for name in _golden_names(function):
                found[name].append(f"{path.relative_to(root).as_posix()}::{function.name}")
    return {name: tuple(tests) for name, tests in found.items()}


def _golden_names(function: ast.FunctionDef) -> list[str]:
    """The files that the decorators `@golden("NAME")` of a test name."""
    calls = [each for each in function.decorator_list if isinstance(each, ast.Call)]
    return [
        ast.literal_eval(call.args[0])
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "golden"
    ]


def validation_html(evidence: Evidence, report: str, template: str) -> str:
    """The page; `report` is the address of the report, `template` that of the discrepancy form.

    ValueError as in `Evidence.parts`.
    """
    parts = evidence.parts()
    words = {
        "methods": [part for part in parts if part.is_method],
        "shared": [part for part in parts if not part.is_method],
        "everything": f"./reproduce.sh test {_files(evidence.golden.values())}",
        "files": len(evidence.golden),
        "cases": sum(file.cases for file in evidence.golden.values()),
        "tolerance": TOLERANCE,
        "code": CODE,
        "report": report,
        "template": template,
        "style": style(),
    }
    return environment().get_template("validation.html").render(words) + "\n"


def _files(golden: Iterable[GoldenFile]) -> str:
    """The test files that read golden files, as words of a command."""
    return " ".join(sorted({test.partition("::")[0] for file in golden for test in file.tests}))


def _spec(entry: Mapping[str, Any]) -> Sequence[int]:
    return entry.get("spec", ())


def _text(cell: Markup) -> str:
    return Markup(cell).striptags()
