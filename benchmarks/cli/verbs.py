"""Every verb of the command line and every option, each declared once.

This file is read for `--help`, so it imports nothing that is slow.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.configs.load import load_suites
from benchmarks.host import user_path
from msam.parameters import nearest

DEFAULT_SELECTION = "val-best"


@dataclass(frozen=True)
class Option:
    """An option, or a word without dashes; `settings` are those of argparse's `add_argument`."""

    flags: tuple[str, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Verb:
    """A word of the command line and what it calls.

    `function` is "module:name" of a function (arguments, say) -> exit status; `group` the heading
    under which the help lists the verb.
    """

    name: str
    about: str
    group: str
    function: str
    options: tuple[Option, ...] = ()


def option(*flags: str, **settings: Any) -> Option:
    """An option as `add_argument` takes it."""
    return Option(flags, settings)


def setting(text: str) -> tuple[str, Any]:
    """`name=value` -> (name, value): a number, true, false or none where it reads as one."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form name=value")
    words = {"true": True, "false": False, "null": None, "none": None}
    if value.lower() in words:
        return name, words[value.lower()]
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def path(text: str) -> Path:
    """A path, in which a leading ~ is the home folder."""
    try:
        return user_path(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# Which results
_PROFILES = "one of those that ./reproduce.sh list shows"
PROFILE = option("--profile", help=f"{_PROFILES} (default: paper if it can run, else demo)")
TUNE_PROFILE = option("--profile", default="tune", help=f"{_PROFILES} (default: tune)")
OUT = option("--out", type=path, help="folder for results (default: results/<profile>)")
PROTOCOL = option(
    "--protocol",
    help="how datasets are split: validation (default); published, which chooses epochs on the "
    "samples that are reported, as released code does; or another that data status shows",
)
THREADS = option(
    "--threads",
    type=int,
    metavar="N",
    help="CPU threads of each run (default: 1); another number gives other runs, as it changes "
    "the last digits of their results",
)
SELECTION = option(
    "--selection", default=DEFAULT_SELECTION, help="val-best (default), last or test-oracle"
)
RESULTS = (PROFILE, OUT, PROTOCOL, THREADS)

TIME = option(
    "--time", action="store_true", help="also time a few steps and tell the hours of each table"
)
GPU_TESTS = option(
    "--gpu-tests",
    action="store_true",
    help="also run the tests that need a GPU; once they pass, runs here replay steps as CUDA "
    "graphs by default",
)

# Which runs
DATASETS = option("--datasets", nargs="+", default=[], metavar="NAME", help="default: all")
METHODS = option("--methods", nargs="+", default=[], metavar="NAME", help="default: all")
SEEDS = option(
    "--seeds",
    type=int,
    metavar="N",
    help="planned number of seeds, from 0 (default: the profile's); a verdict needs them all",
)
DATASET = option("--dataset", required=True)
FUSION = option("--fusion", default="late", help="late (default) or early")
FUSIONS = option(
    "--fusion", nargs="+", default=["late", "early"], help="late, early or both (default)"
)
ROWS = (DATASETS, METHODS)
EXPERIMENT = (
    DATASET,
    FUSION,
    option("--method", required=True),
    option("--modalities", nargs="+", default=[], help="default: all of the dataset"),
    option("--seed", type=int, default=0, help="default: 0"),
    option(
        "--set",
        type=setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="changes",
        help="a hyperparameter, or epochs, batch_size, lr, train_samples, pairing, ...",
    ),
)

# How they are trained
DEVICE = option("--device", help="cpu or cuda (default: cuda if there is one)")
CAPTURE = option(
    "--capture",
    choices=("auto", "off"),
    help="auto: replay steps as CUDA graphs if method and device allow it (default: auto if "
    "`doctor --gpu-tests` passed on this machine, else off)",
)
DETERMINISTIC = option(
    "--deterministic",
    action="store_true",
    help="refuse operations that are not reproducible bit for bit (slower on a GPU)",
)
KEEP_WEIGHTS = option(
    "--keep-weights",
    action="store_true",
    help="keep the last epoch's weights, which the verb sharpness needs",
)
DRY_RUN = option("--dry-run", action="store_true", help="print the plan only")
SWEEP = (
    option(
        "--jobs",
        "--jobs-per-gpu",
        default="auto",
        metavar="K",
        help="runs side by side on each device (default: auto)",
    ),
    option(
        "--max-hours",
        type=float,
        metavar="H",
        help="stop before H hours have passed; exit status 75 if work is left",
    ),
    option("--rerun-stale", action="store_true", help="retrain the runs that older code made"),
)
EXECUTOR = option(
    "--executor",
    choices=("local", "slurm"),
    default="local",
    help="local: this machine (default); slurm: submit jobs and return",
)
SLURM = (
    option("--slurm-jobs", type=int, metavar="N", help="jobs that share the runs (default: 1)"),
    option("--gpus-per-job", type=int, metavar="G", help="default: 0, which trains on CPUs"),
    option(
        "--time",
        metavar="T",
        help="limit of a job, minutes or HH:MM:SS, after which it is queued again (default: 60)",
    ),
    option("--partition", metavar="NAME", help="default: the cluster's"),
)
PLAN = (*ROWS, *SWEEP, EXECUTOR, *SLURM, DRY_RUN)
TRAINING = (DEVICE, CAPTURE, DETERMINISTIC)
TABLE = (*RESULTS, *TRAINING, KEEP_WEIGHTS, *PLAN, SEEDS, SELECTION)

# Of one verb
SITE = option(
    "--site",
    type=path,
    metavar="DIR",
    help="also write the page as a static site, with the validation page, into DIR",
)
MERGE = (
    option("folders", nargs="+", type=path, metavar="DIR", help="results of other machines"),
    option(
        "--keep",
        choices=("ours", "theirs"),
        help="which of two different results of a run to keep: ours, the first, or theirs, the "
        "last",
    ),
)
SHARPNESS = tuple(
    option(flag, type=type(default), default=default, help=f"{about} (default: {default})")
    for flag, default, about in (
        ("--split", "train", "the rows to measure on, train or test"),
        ("--samples", 500, "number of rows, the same for every run"),
        ("--rho", 0.05, "radius of SAM's sharpness"),
        ("--probes", 30, "random vectors per Hessian trace"),
        ("--grid", 21, "points along each direction of the loss surface, an odd number"),
        ("--span", 1.0, "length of each direction, in norms of the filters"),
    )
)
DATA = (
    option("action", help="status, prepare, audit or sources"),
    option("names", nargs="*", metavar="NAME", help="datasets (prepare: one; others: default all)"),
    option(
        "--raw",
        type=path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder or archive with the raw files (default: MSAM_RAW_DIR, else data/raw/NAME, "
        "where prepare puts what it can download)",
    ),
    option("--force", action="store_true", help="prepare again what is up to date"),
    option(
        "--accept-licence",
        action="store_true",
        help="prepare: you accept the licence that data sources names; download what is missing",
    ),
    option(
        "--mirror",
        metavar="URL",
        help="prepare: an address with the publishers' files, tried before the official ones",
    ),
    option("--out", type=path, metavar="FILE", help="audit: findings also as JSON"),
)
BENCH = (
    option(
        "--out",
        type=path,
        help="folder for tables and JSON (default: results/bench/local, where --dry-run looks "
        "first)",
    ),
    option(
        "--parts",
        nargs="+",
        default=[],
        metavar="NAME",
        help="default: all but those that take minutes on a CPU, steps_DATASET",
    ),
    option("--rounds", type=int, default=7, help="timings of each (default: 7)"),
)
FORENSICS = (
    option(
        "study",
        nargs="?",
        choices=("pairings", "archive", "printed"),
        default="pairings",
        help="pairings (default): train on each rebuilt pairing; archive: what the published "
        "avmnist.tar.gz holds; printed: which test-set sizes the paper's digits fit",
    ),
    option("--raw", type=path, metavar="FILE", help="archive: avmnist.tar.gz or its folder"),
    option(
        "--accept-licence",
        action="store_true",
        help="archive: download it from Google Drive (needs gdown); its makers state no licence",
    ),
    option(
        "--out", type=path, help="folder (default: results/forensics; printed: results/printed)"
    ),
)
CALIBRATE = (
    option("--columns", type=int, default=2000, metavar="N", help="simulated columns of each "
           "setting (default: 2000, minutes)"),
    option("--out", type=path, help="folder (default: results/calibration)"),
)  # fmt: skip
METHOD_NAME = option("name", help="lower-case words joined by _, such as my_method")

TABLES = "tables of benchmarks/configs/suites.yaml: train what is missing, then write the tables"
READING = "results that are there"
STUDIES = "single runs and studies"
PARTS = "datasets, methods, this machine"
BUILT_IN = (
    Verb("all", "the paper's tables, then the report", TABLES,
         "benchmarks.cli.train:everything", TABLE),
    Verb("report", "tables, figures and page, without training", READING,
         "benchmarks.cli.report:report", (*RESULTS, *ROWS, SEEDS, SELECTION, SITE)),
    Verb("figures", "figures alone, without training", READING,
         "benchmarks.cli.report:figures", (*RESULTS, SELECTION)),
    Verb("compare", "every cell: paper, ours, difference, verdict; "
         "exit status 1 or 2 if not all agree", READING,
         "benchmarks.cli.report:compare", (*RESULTS, *ROWS, SEEDS, SELECTION)),
    Verb("status", "done, running, failed, stale and missing runs of every table, "
         "and what cannot run", READING,
         "benchmarks.cli.report:status", RESULTS),
    Verb("merge", "joins results folders of several machines; "
         "refuses runs with different numbers", READING,
         "benchmarks.cli.report:merge", (*MERGE, PROFILE, OUT, DRY_RUN)),
    Verb("run", "one experiment", STUDIES,
         "benchmarks.cli.train:run", (*EXPERIMENT, *RESULTS, *TRAINING, KEEP_WEIGHTS)),
    Verb("tune", "chooses one hyperparameter of each method, such as rho, "
         "from a fixed grid on validation data", STUDIES,
         "benchmarks.cli.tune:tune",
         (TUNE_PROFILE, OUT, PROTOCOL, THREADS, *TRAINING, *PLAN, FUSIONS)),
    Verb("sharpness", "curvature and loss surface of the runs whose weights were kept", STUDIES,
         "benchmarks.cli.sharpness:sharpness",
         (DATASET, FUSION, METHODS, *SHARPNESS, PROFILE, OUT, PROTOCOL, DEVICE)),
    Verb("forensics", "which way of making AV-MNIST gives the published accuracies (real data)",
         STUDIES, "benchmarks.cli.forensics:forensics",
         (*FORENSICS, SEEDS, THREADS, DEVICE, *SWEEP)),
    Verb("calibrate", "how often the verdicts are wrong, on simulated runs with a known truth",
         STUDIES, "benchmarks.cli.studies:calibrate", CALIBRATE),
    Verb("data", "data prepare NAME [--raw DIR] | data status, audit or sources [NAME ...]", PARTS,
         "benchmarks.cli.data:data", DATA),
    Verb("list", "methods, datasets, tables and profiles", PARTS,
         "benchmarks.cli.methods:listing"),
    Verb("new-method", "writes baselines/NAME.py, a working skeleton, and its entry in "
         "methods.yaml", PARTS, "benchmarks.cli.methods:new_method", (METHOD_NAME,)),
    Verb("check-method", "the contract tests on one method", PARTS,
         "benchmarks.cli.methods:check_method", (METHOD_NAME,)),
    Verb("bench", "step times, memory and what the harness costs, as ratios measured in one run",
         PARTS, "benchmarks.bench.parts:bench", (*BENCH, DEVICE)),
    Verb("doctor", "what this machine has, what would run on it, and what stands in the way", PARTS,
         "benchmarks.cli.doctor:doctor", (TIME, GPU_TESTS, *RESULTS)),
    Verb("test", "the test suite", PARTS, ""),
)  # fmt: skip


def verbs() -> dict[str, Verb]:
    """Every verb by name, in the order of the help: first the tables of `suites.yaml`.

    ValueError if a table has the name of another verb.
    """
    built_in = {verb.name: verb for verb in BUILT_IN}
    tables = {
        name: Verb(name, suite.title, TABLES, "benchmarks.cli.train:table", TABLE)
        for name, suite in load_suites().items()
    }
    if taken := [name for name in tables if name in built_in]:
        name = taken[0]
        raise ValueError(
            f"suites.yaml: the table '{name}' ({tables[name].about}) has the name of the verb "
            f"'{name}' ({built_in[name].about}); give the table another name"
        )
    return tables | built_in


def usage() -> str:
    """The verbs by group, for a call without words."""
    known = verbs()
    width = max(map(len, known)) + 1
    lines = ["usage: ./reproduce.sh VERB [options]      ./reproduce.sh VERB --help"]
    for group in dict.fromkeys(verb.group for verb in known.values()):
        lines += ["", group]
        lines += [f"  {v.name:<{width}} {v.about}" for v in known.values() if v.group == group]
    return "\n".join(lines)


class Parser(argparse.ArgumentParser):
    """Reports a mistake as ValueError."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{self.prog}: {message}")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The command line as a namespace with `verb` and its `function`.

    ValueError names what is not understood, with the nearest right word.
    """
    known, name = verbs(), words[0]
    if name not in known:
        raise ValueError(f"no verb '{name}'{nearest(name, known)}; see ./reproduce.sh --help")
    verb = known[name]
    if not verb.function:
        raise ValueError(f"the verb {name} runs only through ./reproduce.sh; elsewhere call pytest")
    parser = Parser(prog=f"./reproduce.sh {name}", description=verb.about, allow_abbrev=False)
    parser.set_defaults(verb=name, function=verb.function)
    slurm = parser.add_argument_group("with --executor slurm")
    for each in verb.options:
        place = slurm if each in SLURM else parser
        place.add_argument(*each.flags, **each.settings)
    flags = ["--help", *(flag for each in verb.options for flag in each.flags)]
    typed = [word.partition("=")[0] for word in words if word.startswith("--")]
    if wrong := [f"{word}{nearest(word, flags)}" for word in typed if word not in flags]:
        raise ValueError(f"{name} does not understand: {', '.join(wrong)}")
    return parser.parse_args(words[1:])
