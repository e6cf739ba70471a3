"""The options that several verbs share: where, on what, how, and which runs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path


def add_place(parser: ArgumentParser) -> None:
    parser.add_argument("--profile", help="demo, quick or paper")
    parser.add_argument("--out", type=Path, help="folder for results (default results/<profile>)")
    parser.add_argument(
        "--protocol",
        help="how datasets are split: validation (default), published (epochs chosen on the test "
        "samples, as released code does), actor_disjoint (CREMA-D)",
    )


def add_device(parser: ArgumentParser) -> None:
    parser.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")


def add_capture(parser: ArgumentParser) -> None:
    about = "auto: replay steps as CUDA graphs where method and device allow (default: off)"
    parser.add_argument("--capture", choices=("auto", "off"), default="off", help=about)


def add_deterministic(parser: ArgumentParser) -> None:
    about = "refuse operations that may give other bits the next time (slower on a GPU)"
    parser.add_argument("--deterministic", action="store_true", help=about)


def add_keeping(parser: ArgumentParser) -> None:
    about = "keep the last epoch's weights, as the verb sharpness needs them"
    parser.add_argument("--keep-weights", action="store_true", help=about)


def add_choice(parser: ArgumentParser) -> None:
    parser.add_argument("--datasets", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--methods", nargs="+", default=[], metavar="NAME")


def add_seeds(parser: ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, metavar="N", help="number of seeds, from 0")


def add_sweep(parser: ArgumentParser) -> None:
    about = "runs side by side on each device (default: auto)"
    parser.add_argument("--jobs", "--jobs-per-gpu", default="auto", metavar="K", help=about)
    about = "stop before so many hours have passed; exit status 75 if work is left"
    parser.add_argument("--max-hours", type=float, metavar="H", help=about)
    about = "train again what other code has trained"
    parser.add_argument("--rerun-stale", action="store_true", help=about)


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


def add_dry_run(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="print the plan only")


def add_selection(parser: ArgumentParser) -> None:
    about = "val-best (default), last or test-oracle"
    parser.add_argument("--selection", default="val-best", help=about)
