"""Writes `report.html`: one file that needs no network and no other file."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchmarks.configs.schema import Config
from benchmarks.records.files import write_text
from benchmarks.records.record import LeftOut, RunRecord
from benchmarks.records.selection import RULES
from benchmarks.report import compute
from benchmarks.report.figures.write import Figures
from benchmarks.report.page.claims import COLUMNS, claim_views
from benchmarks.report.page.ledger import read_ledgers
from benchmarks.report.page.runs import run_data
from benchmarks.report.page.tables import rules_of, table_view, verdicts
from benchmarks.report.tables.study import StudyTable
from benchmarks.report.tables.text import warnings
from benchmarks.report.write import Report

FIRST = "seeds_fused_"  # the figure on the first screen
TEMPLATES = Path(__file__).parent / "templates"
LEDGERS = Path(__file__).parents[3] / "docs" / "spec-ledger.md"


@dataclass(frozen=True)
class Contents:
    """Everything that the page shows.

    `selection` is the rule of figures, claims and tests; `studies` are shown behind those of the
    report; `compute` says what the records cost, `power` what the plan can show.
    """

    config: Config
    profile_name: str
    selection: str
    report: Report
    records: Sequence[RunRecord]
    figures: Figures
    studies: Sequence[StudyTable] = ()
    compute: str = ""
    power: Sequence[str] = ()


def write_page(contents: Contents, path: Path, ledgers: Path = LEDGERS) -> Path:
    """Writes the page; the same contents give the same bytes.

    Its links to tables, figures and records are relative to the folder of `path`. `ledgers` is the
    Markdown file with the ledgers, which may be missing.
    """
    write_text(path, page_html(contents, ledgers))
    return path


def page_html(contents: Contents, ledgers: Path = LEDGERS, validation: str = "") -> str:
    """The page. `validation` is the address of the validation page, empty for no link to it."""
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8").strip()
    words = _words(contents) | {
        "ledgers": read_ledgers(ledgers),
        "script": script,
        "script_hash": _hash(script),
        "style": style(),
        "validation": validation,
    }
    return environment().get_template("report.html").render(words) + "\n"


def style() -> str:
    """The style sheet of every page."""
    return (TEMPLATES / "report.css").read_text(encoding="utf-8").strip()


def environment() -> Environment:
    """What renders the templates: text is escaped, and an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    made.filters["data_uri"] = _data_uri
    made.filters["slug"] = lambda text: text.replace(" ", "-").replace("'", "")
    return made


def _words(contents: Contents) -> dict[str, Any]:
    tables, records = contents.report.tables, contents.records
    drawn = contents.figures.drawn
    by_rule = {rule: [rules_of(t)[i] for t in tables] for i, rule in enumerate(RULES)}
    return {
        "profile": contents.profile_name,
        "about": contents.config.profiles[contents.profile_name].about,
        "selection": contents.selection,
        "rules": list(RULES),
        "count": len(records),
        "finished": sum(record.status == "done" for record in records),
        "commits": _commits(records),
        "warnings": list(dict.fromkeys(text for table in tables for text in warnings(table))),
        "verdicts": {rule: verdicts(found) for rule, found in by_rule.items()},
        "claims": claim_views(contents.report.claims),
        "claim_columns": COLUMNS,
        "tables": [table_view(table) for table in tables],
        "figures": [d for d in drawn if not d.figure.name.startswith(FIRST)],
        "not_drawn": contents.figures.not_drawn,
        "studies": [*contents.report.studies, *contents.studies],
        "compute": contents.compute,
        "power": contents.power,
        "first": next((d for d in drawn if d.figure.name.startswith(FIRST)), None),
        "failed": [record for record in records if record.status != "done"],
        "left_out": _left_out(contents.report.unused, records),
        "reality": compute.reality(records),
        "runs": run_data(contents.config, tables, records, contents.report.unused),
    }


def _commits(records: Sequence[RunRecord]) -> list[tuple[str, int]]:
    """The commits of the code behind the records, with their number, most records first."""
    names = [
        str(record.environment.get("commit", "unknown"))
        + (" with changes" if record.environment.get("modified") else "")
        for record in records
    ]
    return sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0]))


def _left_out(
    left_out: Sequence[LeftOut], records: Sequence[RunRecord]
) -> list[tuple[str, list[tuple[str, bool]]]]:
    """By reason: the names, and whether the page has such a run."""
    known = {record.run_id for record in records}
    found: dict[str, list[tuple[str, bool]]] = {}
    for each in sorted(left_out, key=lambda each: (each.reason, each.name)):
        found.setdefault(each.reason, []).append((each.name, each.name in known))
    return list(found.items())


def _data_uri(svg: str) -> str:
    """The drawing as the address of an image, which a browser shows and never runs."""
    one_line = " ".join(svg.split())  # an address keeps no line breaks
    text = quote(one_line, safe=" '<>=/:;,()[]{}!?|*+@$^~`")
    return Markup("data:image/svg+xml;charset=utf-8,") + Markup(text)  # neither quotes nor &


def _hash(script: str) -> str:
    """What a content security policy calls this script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
