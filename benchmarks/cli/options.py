"""Every option of the command line, declared once; `verbs.py` says which verb takes which.

This file is read for `--help`, also before anything is installed: it imports nothing that is slow.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.host import user_path

DEFAULT_SELECTION = "val-best"


@dataclass(frozen=True)
class Option:
    """An option, or a word without dashes; `settings` are those of argparse's `add_argument`."""

    flags: tuple[str, ...]
    settings: Mapping[str, Any]


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
OUT = option(
    "--out",
    type=path,
    help="folder of the results (default: results/local/<profile> for your own; verbs that read "
    "take results/<profile>, where runs are published with the code)",
)
LOCAL = option(
    "--local",
    action="store_true",
    help="your own runs, in results/local/<profile>, instead of "
    "the published ones (default where none are published)",
)
BOTH = option("--both", action="store_true", help="the published runs and your own, side by side")
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
    option(
        "--verbose",
        action="store_true",
        help="print a line per epoch, which is else only in log.txt beside the runs",
    ),
)
EXECUTOR = option(
    "--executor",
    choices=("local", "slurm"),
    default="local",
    help="local: this machine (default); slurm: submit jobs and return",
)
SLURM = (
    option("--slurm-jobs", type=int, metavar="N", help="jobs that share the runs (default: 1)"),
    option(
        "--gpus-per-job",
        type=int,
        metavar="G",
        help="default: 1 for profiles whose runs want a GPU, such as paper, else 0: CPUs",
    ),
    option(
        "--time",
        metavar="T",
        help="limit of a job, minutes or HH:MM:SS, after which it is queued again (default: 60)",
    ),
    option("--partition", metavar="NAME", help="default: the cluster's"),
    option("--account", metavar="NAME", help="whom the hours are charged to"),
    option("--qos", metavar="NAME", help="quality of service"),
    option("--mem", metavar="SIZE", help="memory of a job, such as 32GB"),
    option("--constraint", metavar="FEATURE", help="what a node must have, such as a100"),
    option(
        "--slurm-arg",
        type=setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other option of sbatch, such as reservation=course; may be repeated",
    ),
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
DATA_ACTIONS = {
    "status": "which datasets are prepared, how large they are and how they can be split",
    "prepare": "prepares one dataset from its raw files, and downloads those that it may",
    "audit": "what leaks between the splits, from raw files and prepared data",
    "sources": "where raw files come from, their size, licence and checksum",
}
DATA = (
    option("action", nargs="?", help=f"{', '.join(DATA_ACTIONS)}; without one, what they do"),
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
        "--out",
        type=path,
        help="folder (default: results/local/forensics; printed: results/local/printed)",
    ),
)
CALIBRATE = (
    option("--columns", type=int, default=2000, metavar="N", help="simulated columns of each "
           "setting (default: 2000, minutes)"),
    option("--out", type=path, help="folder (default: results/local/calibration)"),
)  # fmt: skip
METHOD_NAME = option("name", help="lower-case words joined by _, such as my_method")
HOOK = option(
    "--with", dest="hook", choices=("survey", "fusion", "end_epoch"),
    help="a skeleton that sees a share of the training features before each epoch (survey), "
    "fuses in its own way (fusion), or acts on validation metrics (end_epoch)",
)  # fmt: skip
LISTED = option("name", nargs="?", help="a method, dataset, table or profile: says more about it")
ALL_CELLS = option("--all", action="store_true", help="every cell and every claim")
VERBOSE = option("--verbose", action="store_true", help="name every figure that is not drawn")
ABOUT = option("topic", nargs="?", metavar="VERB", help="default: all verbs")
SHELL = option("shell", choices=("bash", "zsh", "tcsh"), help="the shell that you type in")
