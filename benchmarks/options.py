"""The options of every verb of the command line."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any


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


def _add_place(parser: ArgumentParser) -> None:
    parser.add_argument("--profile", help="demo, quick or paper")
    parser.add_argument("--out", type=Path, help="folder for results (default results/<profile>)")
    parser.add_argument(
        "--protocol",
        help="how datasets are split: validation (default), published (epochs chosen on the test "
        "samples, as released code does), actor_disjoint (CREMA-D)",
    )


def _add_device(parser: ArgumentParser) -> None:
    parser.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")


def _add_capture(parser: ArgumentParser) -> None:
    about = "replay training steps as CUDA graphs where method and device allow (default: auto)"
    parser.add_argument("--capture", choices=("auto", "off"), default="auto", help=about)


def _add_selection(parser: ArgumentParser) -> None:
    about = "val-best (default), last or test-oracle"
    parser.add_argument("--selection", default="val-best", help=about)


def _add_dry_run(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print the plan only")


def _add_keeping(parser: ArgumentParser) -> None:
    about = "keep the last epoch's weights, as the verb sharpness needs them"
    parser.add_argument("--keep-weights", action="store_true", help=about)


def _add_choice(parser: ArgumentParser) -> None:
    parser.add_argument("--datasets", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--seeds", type=int, metavar="N", help="number of seeds, from 0")


def _add_sweep(parser: ArgumentParser) -> None:
    about = "runs side by side on each device (default: auto)"
    parser.add_argument("--jobs", "--jobs-per-gpu", default="auto", metavar="K", help=about)
    about = "stop before so many hours have passed; exit status 75 if work is left"
    parser.add_argument("--max-hours", type=float, metavar="H", help=about)
    about = "train again what other code has trained"
    parser.add_argument("--rerun-stale", action="store_true", help=about)


def _add_executor(parser: ArgumentParser) -> None:
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


def _add_data(parser: ArgumentParser) -> None:
    parser.add_argument("action", help="status, prepare, audit or sources")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="datasets (audit, sources: default all)"
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
    parser.add_argument("--out", type=Path, help="folder for the table and the JSON")
    about = "default: all but steps_cremad"
    parser.add_argument("--parts", nargs="+", default=[], metavar="NAME", help=about)
    parser.add_argument("--rounds", type=int, default=7, help="timings each (default 7)")


_PLACE = (_add_place, _add_device)
_TRAINING = (*_PLACE, _add_capture, _add_keeping)
_TABLES = (*_TRAINING, _add_choice, _add_sweep, _add_executor, _add_dry_run, _add_selection)
OPTIONS = {
    "table1": _TABLES,
    "table2": _TABLES,
    "all": _TABLES,
    "report": (_add_place, _add_selection),
    "figures": (_add_place, _add_selection),
    "compare": (_add_place, _add_selection),
    "status": (_add_place,),
    "run": (_add_run, *_TRAINING),
    "sharpness": (_add_sharpness, *_PLACE),
    "data": (_add_data,),
    "forensics": (_add_forensics, _add_device, _add_sweep),
    "new-method": (_add_name,),
    "check-method": (_add_name,),
    "bench": (_add_bench, _add_device),
}
