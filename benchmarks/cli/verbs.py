"""Every verb of the command line, declared once, and how a command line is read.

This file is read for `--help`, also before anything is installed: it imports nothing that is slow,
and only functions import what is not of the standard library.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from benchmarks.cli.options import (
    ABOUT,
    ALL_CELLS,
    BENCH,
    BOTH,
    CALIBRATE,
    DATA,
    DATA_ACTIONS,
    DATASET,
    DEVICE,
    DRY_RUN,
    EXECUTOR,
    EXPERIMENT,
    FORENSICS,
    FUSION,
    FUSIONS,
    GPU_TESTS,
    HOOK,
    KEEP_WEIGHTS,
    LISTED,
    LOCAL,
    MERGE,
    METHOD_NAME,
    METHODS,
    OUT,
    PLAN,
    PROFILE,
    PROTOCOL,
    RESULTS,
    ROWS,
    SEEDS,
    SELECTION,
    SHARPNESS,
    SHELL,
    SITE,
    SLURM,
    SWEEP,
    TABLE,
    THREADS,
    TIME,
    TRAINING,
    TUNE_PROFILE,
    VERBOSE,
    Option,
    path,
)
from benchmarks.exit_status import EXIT_STATUSES, Exit
from benchmarks.host import commit
from benchmarks.terminal import HELP, WIDEST_TEXT, columns, definitions, styled, wrapped
from msam import __version__
from msam.parameters import nearest


@dataclass(frozen=True)
class Verb:
    """A word of the command line and what it calls.

    `function` is "module:name" of a function (arguments, say) -> exit status; `group` the heading
    under which the help lists the verb. `more` stands in the verb's own help alone.
    `full` tells whether it needs all of requirements.txt, or names the words with which it does;
    requirements-read.txt, which has no torch, is enough for the others.
    """

    name: str
    about: str
    group: str
    function: str
    options: tuple[Option, ...] = ()
    more: str = ""
    full: bool | tuple[str, ...] = True


TABLES = "Reproduce (trains what is missing, then shows the table)"
READING = "Read (what recorded runs say, without training)"
STUDIES = "Study (beyond the paper's tables)"
PARTS = "Data"
EXTENDING = "Extend (methods of your own; see docs/)"
CHECKING = "Check (this machine and this code)"
GUIDING = "Find your way"
BUILT_IN = (
    Verb("all", "the paper's tables, then the report", TABLES,
         "benchmarks.cli.train:everything", TABLE),
    Verb("run", "one experiment", TABLES,
         "benchmarks.cli.train:run", (*EXPERIMENT, *RESULTS, *TRAINING, KEEP_WEIGHTS, DRY_RUN)),
    Verb("compare", "our numbers beside the paper's: which reproduce, which differ", READING,
         "benchmarks.cli.report:compare",
         (*RESULTS, LOCAL, BOTH, *ROWS, SEEDS, SELECTION, ALL_CELLS),
         "exit status 1 if some differ, 3 if some are undecided", full=False),
    Verb("report", "tables, figures and page", READING,
         "benchmarks.cli.report:report",
         (*RESULTS, LOCAL, *ROWS, SEEDS, SELECTION, SITE), full=False),
    Verb("figures", "figures alone", READING,
         "benchmarks.cli.report:figures", (*RESULTS, LOCAL, SELECTION, VERBOSE), full=False),
    Verb("status", "which runs are done, running, failed, stale or missing", READING,
         "benchmarks.cli.report:status", RESULTS, "and what cannot run", full=False),
    Verb("merge", "joins results folders of several machines", READING,
         "benchmarks.cli.report:merge", (*MERGE, PROFILE, OUT, DRY_RUN),
         "refuses runs with different numbers", full=False),
    Verb("tune", "chooses one hyperparameter of each method on validation data", STUDIES,
         "benchmarks.cli.tune:tune",
         (TUNE_PROFILE, OUT, PROTOCOL, THREADS, *TRAINING, *PLAN, FUSIONS),
         "such as rho, from a fixed grid"),
    Verb("sharpness", "curvature and loss surface of runs whose weights were kept", STUDIES,
         "benchmarks.cli.sharpness:sharpness",
         (DATASET, FUSION, METHODS, *SHARPNESS, PROFILE, OUT, PROTOCOL, DEVICE)),
    Verb("forensics", "which way of making AV-MNIST gives the published accuracies", STUDIES,
         "benchmarks.cli.forensics:forensics",
         (*FORENSICS, SEEDS, THREADS, DEVICE, *SWEEP), "on real data",
         full=("pairings", "archive")),
    Verb("calibrate", "how often the verdicts are wrong, on simulated runs", STUDIES,
         "benchmarks.cli.power:calibrate", CALIBRATE, "with a known truth", full=False),
    Verb("data", "status, prepare, audit and sources of datasets", PARTS,
         "benchmarks.cli.data:data", DATA, full=("prepare", "audit")),
    Verb("new-method", "writes a working skeleton of a method and its entry", EXTENDING,
         "benchmarks.cli.methods:new_method", (METHOD_NAME, HOOK),
         "baselines/NAME.py, and the entry in benchmarks/configs/methods.yaml", full=False),
    Verb("check-method", "the contract tests on one method", EXTENDING,
         "benchmarks.cli.methods:check_method", (METHOD_NAME,)),
    Verb("doctor", "what this machine has, what would run on it, what is in the way", CHECKING,
         "benchmarks.cli.doctor:doctor", (TIME, GPU_TESTS, *RESULTS)),
    Verb("bench", "step times, memory and what the harness costs", CHECKING,
         "benchmarks.bench.parts:bench", (*BENCH, DEVICE), "as ratios measured in one run"),
    Verb("test", "the test suite", CHECKING, ""),
    Verb("list", "methods, datasets, tables, profiles; list NAME says more", GUIDING,
         "benchmarks.cli.listing:listing", (LISTED,), full=False),
    Verb("help", "this text; help VERB shows the options of a verb", GUIDING,
         "benchmarks.cli.verbs:show_help", (ABOUT,), full=False),
    Verb("completion", "a script that completes words in bash, zsh or tcsh", GUIDING,
         "benchmarks.cli.verbs:completion", (SHELL,),
         'for this terminal: eval "$(./reproduce.sh completion bash)"', full=False),
)  # fmt: skip

# The tables of suites.yaml, for the help before PyYAML is installed; a test compares them.
COMMITTED_TABLES = {
    "table1": "Late fusion (Table 1)",
    "table2": "Early fusion (Table 2)",
    "controls": "Controls and readings of M-SAM, late fusion",
    "noise": "Wrong training labels, late fusion",
    "separate": "Joint and separate training, late fusion",
    "extended": "Every method, late and early fusion",
}


def verbs() -> dict[str, Verb]:
    """Every verb by name, in the order of the help: first the tables of `suites.yaml`.

    ValueError if a table has the name of another verb.
    """
    built_in = {verb.name: verb for verb in BUILT_IN}
    tables = {
        name: Verb(name, title, TABLES, "benchmarks.cli.train:table", TABLE)
        for name, title in _titles().items()
    }
    if taken := [name for name in tables if name in built_in]:
        name = taken[0]
        raise ValueError(
            f"suites.yaml: the table '{name}' ({tables[name].about}) has the name of the verb "
            f"'{name}' ({built_in[name].about}); give the table another name"
        )
    return tables | built_in


def _titles() -> dict[str, str]:
    """The titles of the tables by name."""
    try:
        from benchmarks.configs.load import load_suites
    except ModuleNotFoundError:  # PyYAML
        return COMMITTED_TABLES
    return {name: suite.title for name, suite in load_suites().items()}


def usage() -> str:
    """The verbs by group, for a call without words."""
    known = verbs()
    width = max(map(len, known)) + 2
    lines = [
        "M-SAM bench: a reproduction of Modality-Aware SAM (NeurIPS 2025).",
        "",
        "usage: ./reproduce.sh VERB [options]",
        "       ./reproduce.sh help VERB",
    ]
    for group in dict.fromkeys(verb.group for verb in known.values()):
        named = {v.name: v.about for v in known.values() if v.group == group}
        lines += ["", f"{group}:", *definitions(named, width=width)]
    lines += ["", *EXIT_STATUSES.splitlines(), "", *wrapped(START).splitlines()]
    return styled("\n".join(lines), HELP)


START = (
    "New here? ./reproduce.sh compare --profile pilot shows recorded results in seconds; "
    "./reproduce.sh status says what can be trained on this machine."
)


def version() -> str:
    """Version of the library and commit of the checkout."""
    found = commit()
    changed = ", with changes" if found["modified"] else ""
    return f"M-SAM bench {__version__} (commit {found['commit'][:10]}{changed})"


def show_help(arguments: argparse.Namespace, say: Callable[[str], None]) -> Exit:
    """The verb `help`: all verbs, or the options of one; ValueError for an unknown one."""
    name = arguments.topic
    say(parser_of(_verb(name)).format_help().rstrip() if name else usage())
    return Exit.FINE


def completion(arguments: argparse.Namespace, say: Callable[[str], None]) -> Exit:
    """The verb `completion`: a script for the shell, made of the verbs and options of today.

    It is fixed text, so that a press of TAB starts no Python and installs nothing.
    """
    import shtab

    from benchmarks.configs.load import load_config

    config = load_config()
    words = {
        "dataset": config.datasets,
        "datasets": config.datasets,
        "names": config.datasets,
        "method": config.methods,
        "methods": config.methods,
        "profile": config.profiles,
        "action": DATA_ACTIONS,
        "topic": verbs(),
        "name": [*config.methods, *config.datasets, *config.suites, *config.profiles],
    }
    whole = Parser(prog="reproduce.sh")
    several = whole.add_subparsers()
    for verb in verbs().values():
        child = several.add_parser(verb.name, help=verb.about)
        for each in verb.options:
            action = child.add_argument(*each.flags, **each.settings)
            if action.type is path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif action.choices is None and action.dest in words:
                action.choices = list(words[action.dest])  # type: ignore[call-overload]
    say(shtab.complete(whole, arguments.shell))
    return Exit.FINE


class Parser(argparse.ArgumentParser):
    """Reports a mistake as ValueError, and has help that fits the terminal."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{self.prog}: {message}")

    def format_help(self) -> str:
        return styled(super().format_help(), HELP)


def parser_of(verb: Verb) -> Parser:
    """The parser of a verb's words; its help lists the options by what they are about."""
    width = min(columns(), WIDEST_TEXT)
    parser = Parser(
        prog=f"./reproduce.sh {verb.name}",
        description=f"{verb.about}; {verb.more}" if verb.more else verb.about,
        allow_abbrev=False,
        formatter_class=partial(argparse.HelpFormatter, max_help_position=26, width=width),
    )
    parser.set_defaults(verb=verb.name, function=verb.function)
    places = {}
    for each in verb.options:
        heading = next((h for h, options in OPTION_GROUPS.items() if each in options), "")
        if heading and heading not in places:
            places[heading] = parser.add_argument_group(heading)
        places.get(heading, parser).add_argument(*each.flags, **each.settings)
    return parser


OPTION_GROUPS = {
    "which results": (*RESULTS, TUNE_PROFILE, SEEDS, SELECTION),
    "which runs": (*ROWS, *EXPERIMENT, FUSIONS),
    "how to train": (*TRAINING, KEEP_WEIGHTS),
    "how much at once": (*SWEEP, EXECUTOR, DRY_RUN),
    "with --executor slurm": SLURM,
}
"""The headings of options that several verbs share."""


def _verb(name: str) -> Verb:
    known = verbs()
    if name not in known:
        raise ValueError(f"no verb '{name}'{nearest(name, known)}; see ./reproduce.sh --help")
    return known[name]


def _value(number: int, words: Sequence[str]) -> str:
    """What was typed for an option: behind its =, else the next word."""
    own = words[number].partition("=")[2]
    following = [word for word in words[number + 1 : number + 2] if not word.startswith("--")]
    return own or next(iter(following), "VALUE")


def _hint(word: str, value: str, flags: Collection[str]) -> str:
    """What was meant by an unknown option: a setting, or the nearest option."""
    from benchmarks.plan.words import can_be_set  # reads every method's file: for mistakes alone

    name = word.removeprefix("--").replace("-", "_")
    if "--set" in flags and can_be_set(name):
        return f" (a setting: --set {name}={value})"
    return nearest(word, flags)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line as a namespace with `verb` and its `function`.

    ValueError names what is not understood, with the nearest right word.
    """
    verb = _verb(words[0])
    if not verb.function:
        raise ValueError(f"the verb {verb.name} runs only through ./reproduce.sh; else call pytest")
    parser = parser_of(verb)
    flags = ["-h", "--help", *(flag for each in verb.options for flag in each.flags)]
    typed = {word.partition("=")[0]: _value(n, words) for n, word in enumerate(words)}
    if wrong := [
        f"{word}{_hint(word, value, flags)}"
        for word, value in typed.items()
        if word.startswith("--") and word not in flags
    ]:
        raise ValueError(f"{verb.name} does not understand: {', '.join(wrong)}")
    return parser.parse_args(words[1:])


def _unknown_names(arguments: Mapping[str, Any]) -> list[str]:
    """The datasets, methods and profile of a command line that the configuration does not have."""
    from benchmarks.configs.load import load_config

    config = load_config()
    typed: dict[tuple[Any, ...], Collection[str]] = {
        (arguments.get("dataset"), *arguments.get("datasets", ())): config.datasets,
        (arguments.get("method"), *arguments.get("methods", ())): config.methods,
        (arguments.get("profile"),): config.profiles,
    }
    return [n for names, known in typed.items() for n in names if n is not None and n not in known]


def requirements(words: Sequence[str]) -> str:
    """What must be installed for a command line: `read` for requirements-read.txt, else `all`.

    The plan of a sweep needs no more than `read`, nor does a line that is not understood: `parse`
    or the verb says what is wrong with it.
    """
    if not words or {"-h", "--help"}.intersection(words):
        return "read"
    try:
        arguments = vars(parse(words))
    except ValueError:
        return "read"
    verb = verbs()[words[0]]
    if verb.function.startswith("benchmarks.cli.train:") and _unknown_names(arguments):
        return "read"
    if arguments.get("dry_run") and EXECUTOR in verb.options:  # not `run`, which asks the method
        return "read"
    if isinstance(verb.full, tuple):
        return "all" if any(word in arguments.values() for word in verb.full) else "read"
    return "all" if verb.full else "read"
