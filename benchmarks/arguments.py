"""The command line's words: verbs, options, and errors that name the nearest right word."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from msam.parameters import nearest

VERBS = {
    "table1": "late-fusion accuracy table: train what is missing, then report",
    "table2": "early-fusion accuracy table: train what is missing, then report",
    "report": "tables from the records at hand, without training",
    "compare": "every cell: paper, ours, difference, verdict; exit status 1 or 2 if not equal",
    "run": "one experiment",
    "status": "done, failed, interrupted and missing runs of every table",
    "data": "data status | prepare NAME [--raw DIR] | sources",
    "list": "methods, datasets, tables and profiles",
    "new-method": "writes baselines/NAME.py, a working skeleton, and its entry in methods.yaml",
    "check-method": "the contract tests on one method",
    "bench": "step times, memory and what the harness costs, as ratios measured in one run",
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


def setting(text: str) -> tuple[str, Any]:
    """`name=value` -> (name, value), a number where it reads as one."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form name=value")
    return name, _value(value)


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "null": None, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _parser() -> Parser:
    parser = Parser(prog="./reproduce.sh", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=Parser)
    made = {
        verb: verbs.add_parser(verb, help=about, description=about, allow_abbrev=False)
        for verb, about in VERBS.items()
        if verb != "test"
    }
    for verb in ("table1", "table2"):
        _add_scale(made[verb])
        _add_choice(made[verb])
        made[verb].add_argument("--dry-run", action="store_true", help="print the plan only")
    for verb in ("table1", "table2", "report", "compare"):
        made[verb].add_argument(
            "--selection", default="val-best", help="val-best (default), last or test-oracle"
        )
    for verb in ("report", "compare", "status"):
        _add_scale(made[verb], device=False)
    _add_run(made["run"])
    _add_data(made["data"])
    for verb in ("new-method", "check-method"):
        made[verb].add_argument("name", help="lower-case words joined by _, such as my_method")
    made["bench"].add_argument("--out", type=Path, help="folder for the table and the JSON")
    made["bench"].add_argument(
        "--parts", nargs="+", default=[], metavar="NAME", help="default: all but steps_cremad"
    )
    made["bench"].add_argument("--rounds", type=int, default=7, help="timings each (default 7)")
    made["bench"].add_argument("--device", help="cpu or cuda")
    return parser


def _add_scale(parser: Parser, device: bool = True) -> None:
    parser.add_argument("--profile", help="demo, quick or paper")
    parser.add_argument("--out", type=Path, help="folder for results (default results/<profile>)")
    parser.add_argument(
        "--protocol",
        help="how datasets are split: validation (default), published (epochs chosen on the test "
        "samples, as released code does), actor_disjoint (CREMA-D)",
    )
    if device:
        parser.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
        parser.add_argument(
            "--capture",
            choices=("auto", "off"),
            default="auto",
            help="replay training steps as CUDA graphs where method and device allow (default)",
        )


def _add_choice(parser: Parser) -> None:
    parser.add_argument("--datasets", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--seeds", type=int, metavar="N", help="number of seeds, from 0")


def _add_run(parser: Parser) -> None:
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--fusion", default="late", help="late (default) or early")
    parser.add_argument("--method", required=True)
    parser.add_argument("--modalities", nargs="+", default=[], help="default: all of the dataset")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--set",
        type=setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="changes",
        help="a hyperparameter, or epochs, batch_size, lr, train_samples, pairing, ...",
    )
    _add_scale(parser)


def _add_data(parser: Parser) -> None:
    parser.add_argument("action", help="status, prepare or sources")
    parser.add_argument("name", nargs="?", help="the dataset to prepare")
    parser.add_argument(
        "--raw",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder or archive with the raw files (default: MSAM_RAW_DIR, else download)",
    )
    parser.add_argument("--force", action="store_true", help="prepare again what is up to date")


def _subparsers(parser: Parser) -> dict[str, Parser]:
    return next(a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))
