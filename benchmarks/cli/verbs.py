"""The command line's words: verbs, options, and errors that name the nearest right word."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from benchmarks.cli.options import OPTIONS
from msam.parameters import nearest

VERBS = {
    "table1": "late-fusion accuracy table: train what is missing, then write the tables",
    "table2": "early-fusion accuracy table: train what is missing, then write the tables",
    "all": "both tables, then the report",
    "controls": "M-SAM beside its controls and other readings: train, then write our own table",
    "noise": "training with 20, 40 and 60 % wrong labels: train, then write our own table",
    "report": "tables, figures and page from the records at hand, without training",
    "figures": "figures alone from the records at hand",
    "compare": "every cell: paper, ours, difference, verdict; exit status 1 or 2 if not all agree",
    "run": "one experiment",
    "tune": "chooses each method's rho, or its like, from a fixed grid on validation data",
    "status": "done, running, failed, stale and missing runs of every table, and what cannot run",
    "data": "data prepare NAME [--raw DIR] | data status, audit or sources [NAME ...]",
    "sharpness": "curvature and loss surface of the runs whose weights were kept",
    "forensics": "which way of making AV-MNIST gives the published accuracies (real data)",
    "merge": "joins results folders of several machines; refuses runs with different numbers",
    "list": "methods, datasets, tables and profiles",
    "new-method": "writes baselines/NAME.py, a working skeleton, and its entry in methods.yaml",
    "check-method": "the contract tests on one method",
    "bench": "step times, memory and what the harness costs, as ratios measured in one run",
    "doctor": "what this machine has, what would run on it, what stands in the way; --time: hours",
    "test": "the test suite",
}


class Parser(argparse.ArgumentParser):
    """Reports a mistake as ValueError with the nearest right word."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{self.prog}: {message}")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line as a namespace with `verb`; ValueError lists every unknown word."""
    if words and not words[0].startswith("-") and words[0] not in VERBS:
        raise ValueError(f"no verb '{words[0]}'{nearest(words[0], VERBS)}; see ./reproduce.sh")
    if words[0] == "test":
        raise ValueError("the verb test is for ./reproduce.sh; elsewhere call pytest")
    parser = _parser()
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        options = [
            o for p in _subparsers(parser)[arguments.verb]._actions for o in p.option_strings
        ]
        wrong = [f"{word}{nearest(word, options)}" for word in unknown]
        raise ValueError(f"{arguments.verb} does not understand: {', '.join(wrong)}")
    return arguments


def usage() -> str:
    """The list of verbs, for a call without words."""
    lines = ["usage: ./reproduce.sh VERB [options]      ./reproduce.sh VERB --help", ""]
    return "\n".join(lines + [f"  {verb:<13} {about}" for verb, about in VERBS.items()])


def _parser() -> Parser:
    parser = Parser(prog="./reproduce.sh", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=Parser)
    for verb, about in VERBS.items():
        made = verbs.add_parser(verb, help=about, description=about, allow_abbrev=False)
        for add in OPTIONS.get(verb, ()):
            add(made)
    return parser


def _subparsers(parser: Parser) -> dict[str, Parser]:
    return next(a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))
