"""The options of every verb of the command line."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from benchmarks.plan.networks import OPTIONAL


def setting(text: str) -> tuple[str, Any]:
    """`name=value` -> (name, value), a number where it reads as one."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentTypeError(f"'{text}' is not of the form name=value")
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


def _add_merge(parser: ArgumentParser) -> None:
    about = "results folders, such as those of other machines"
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help=about)
    parser.add_argument("--profile", help=PROFILE_HELP)
    parser.add_argument("--out", type=Path, help="folder to add to (default results/<profile>)")
    about = "which of two different results of a run to keep: ours, the first, or theirs, the last"
    parser.add_argument("--keep", choices=("ours", "theirs"), help=about)


def _add_run(parser: ArgumentParser) -> None:
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


def _add_sharpness(parser: ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--fusion", default="late", help="late (default) or early")
    parser.add_argument("--methods", nargs="+", default=[], metavar="NAME", help="default: all")
    for name, kind, default, about in (
        ("split", str, "train", "the rows to measure on: train or test"),
        ("samples", int, 500, "number of rows, the same for every run"),
        ("rho", float, 0.05, "radius of SAM's sharpness"),
        ("probes", int, 30, "random vectors per Hessian trace"),
        ("grid", int, 21, "points along each direction of the loss surface, odd"),
        ("span", float, 1.0, "reach of each direction, in norms of the filters"),
    ):
        parser.add_argument(
            f"--{name}", type=kind, default=default, help=f"{about} (default {default})"
        )


def _add_tune(parser: ArgumentParser) -> None:
    parser.set_defaults(profile="tune")
    about = "late, early or both (default)"
    parser.add_argument("--fusion", nargs="+", default=["late", "early"], help=about)


def _add_data(parser: ArgumentParser) -> None:
    parser.add_argument("action", help="status, prepare, audit or sources")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="datasets (status, audit, sources: default all)"
    )
    parser.add_argument(
        "--raw",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder or archive with the raw files (default: MSAM_RAW_DIR, else data/raw/NAME, "
        "where prepare puts what it can download)",
    )
    parser.add_argument("--force", action="store_true", help="prepare again what is up to date")
    parser.add_argument("--out", type=Path, metavar="FILE", help="audit: findings also as JSON")


def _add_forensics(parser: ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, metavar="N", help="number of seeds, from 0")
    parser.add_argument("--out", type=Path, help="folder (default results/forensics)")


def _add_name(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="lower-case words joined by _, such as my_method")


def _add_bench(parser: ArgumentParser) -> None:
    about = "folder for tables and JSON (default results/bench/local, where --dry-run looks first)"
    parser.add_argument("--out", type=Path, help=about)
    about = f"default: all but {', '.join(OPTIONAL)}"
    parser.add_argument("--parts", nargs="+", default=[], metavar="NAME", help=about)
    parser.add_argument("--rounds", type=int, default=7, help="timings each (default 7)")


def _add_doctor(parser: ArgumentParser) -> None:
    about = "also time a few steps and tell the hours of each table"
    parser.add_argument("--time", action="store_true", help=about)


def add_device(parser: ArgumentParser) -> None:
    parser.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")


def add_place(parser: ArgumentParser) -> None:
    parser.add_argument("--profile", help=PROFILE_HELP)
    parser.add_argument("--out", type=Path, help="folder for results (default results/<profile>)")
    parser.add_argument(
        "--protocol",
        help="how datasets are split: validation (default), published (epochs chosen on the "
        "samples that are reported, as released code does), actor_disjoint (CREMA-D)",
    )


_PLACE = (add_place, add_device)


def add_capture(parser: ArgumentParser) -> None:
    about = "auto: replay steps as CUDA graphs where method and device allow (default: off)"
    parser.add_argument("--capture", choices=("auto", "off"), default="off", help=about)


def add_deterministic(parser: ArgumentParser) -> None:
    about = "refuse operations that may give other bits the next time (slower on a GPU)"
    parser.add_argument("--deterministic", action="store_true", help=about)


def add_keeping(parser: ArgumentParser) -> None:
    about = "keep the last epoch's weights, as the verb sharpness needs them"
    parser.add_argument("--keep-weights", action="store_true", help=about)


_TRAINING = (*_PLACE, add_capture, add_deterministic, add_keeping)


def add_choice(parser: ArgumentParser) -> None:
    parser.add_argument("--datasets", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=[], metavar="NAME")


def add_dry_run(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print the plan only")


def add_executor(parser: ArgumentParser) -> None:
    about = "local: this machine (default); slurm: submit jobs and return"
    parser.add_argument("--executor", choices=("local", "slurm"), default="local", help=about)
    group = parser.add_argument_group("with --executor slurm")
    for name, kind, metavar, about in (
        ("slurm-jobs", int, "N", "jobs that share the runs (default 1)"),
        ("gpus-per-job", int, "G", "(default 0: train on processors)"),
        (
            "time",
            str,
            "T",
            "limit of a job, minutes or HH:MM:SS, after which it is queued again (default 60)",
        ),
        ("partition", str, "NAME", "(default: the cluster's)"),
    ):
        group.add_argument(f"--{name}", type=kind, metavar=metavar, help=about)


def add_sweep(parser: ArgumentParser) -> None:
    about = "runs side by side on each device (default: auto)"
    parser.add_argument("--jobs", "--jobs-per-gpu", default="auto", metavar="K", help=about)
    about = "stop before so many hours have passed; exit status 75 if work is left"
    parser.add_argument("--max-hours", type=float, metavar="H", help=about)
    about = "train again what other code has trained"
    parser.add_argument("--rerun-stale", action="store_true", help=about)


_SWEEP = (add_choice, add_sweep, add_executor, add_dry_run)


def add_seeds(parser: ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, metavar="N", help="number of seeds, from 0")


def add_selection(parser: ArgumentParser) -> None:
    about = "val-best (default), last or test-oracle"
    parser.add_argument("--selection", default=DEFAULT_SELECTION, help=about)


_TABLES = (*_TRAINING, *_SWEEP, add_seeds, add_selection)
OPTIONS = {
    "table1": _TABLES,
    "table2": _TABLES,
    "all": _TABLES,
    "controls": _TABLES,
    "noise": _TABLES,
    "report": (add_place, add_choice, add_selection),
    "figures": (add_place, add_selection),
    "compare": (add_place, add_choice, add_selection),
    "status": (add_place,),
    "merge": (_add_merge, add_dry_run),
    "run": (_add_run, *_TRAINING),
    "tune": (*_PLACE, add_capture, add_deterministic, *_SWEEP, _add_tune),
    "sharpness": (_add_sharpness, *_PLACE),
    "data": (_add_data,),
    "forensics": (_add_forensics, add_device, add_sweep),
    "new-method": (_add_name,),
    "check-method": (_add_name,),
    "bench": (_add_bench, add_device),
    "doctor": (add_place, _add_doctor),
}

DEFAULT_SELECTION = "val-best"
PROFILE_HELP = (
    "one of those that ./reproduce.sh list shows (default: paper if it can run, else demo)"
)
