"""The verb that joins results folders of several machines. Free of torch."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from pathlib import Path

from benchmarks.cli.session import Say
from benchmarks.configs.load import load_config, lookup
from benchmarks.plan import workspace
from benchmarks.records.files import check_writable
from benchmarks.records.folders import Folders
from benchmarks.records.merging import Merge, plan_merge
from datasets.errors import counted


def merge(arguments: Namespace, say: Say) -> int:
    """Copies what the results folder lacks; exit status 1 if something was damaged and left out.

    ValueError, and nothing copied, for runs with different numbers unless `--keep` says which.
    """
    target = Folders(_root(arguments))
    others = [Folders(_results(folder, target.root)) for folder in arguments.folders]
    planned = plan_merge(target, others, arguments.keep)
    for problem in planned.left_out:
        say(f"left out: {problem}")
    if planned.conflicts:
        raise ValueError(
            f"{counted(len(planned.conflicts), 'run')} with different numbers, nothing was copied; "
            "--keep ours or --keep theirs settles it:\n  " + "\n  ".join(planned.conflicts)
        )
    if not arguments.dry_run:
        check_writable(target.root)
        planned.carry_out()
    say(_summary(planned, arguments.dry_run))
    return 1 if planned.left_out else 0


def _root(arguments: Namespace) -> Path:
    if arguments.out:
        return arguments.out
    config = load_config()
    name = arguments.profile or workspace.default_profile(config)[0]
    lookup("profile", name, config.profiles)
    return workspace.ROOT / "results" / name


def _results(folder: Path, target: Path) -> Path:
    """The folder, checked to be results of another place."""
    if not (folder / "runs").is_dir():
        raise ValueError(f"{folder} has no folder 'runs'; name one such as results/short")
    if folder.resolve() == target.resolve():
        raise ValueError(f"{folder} is the folder to merge into; name others")
    return folder


def _summary(planned: Merge, only_planned: bool) -> str:
    files = Counter(path.parent.name for _, path in planned.copies)
    would = "would be " if only_planned else ""
    return (
        f"{planned.target.root}: {counted(planned.new, 'run')} {would}added, {planned.replaced} "
        f"replaced, {planned.known} there before; files "
        f"{would}copied: {files['predictions']} of predictions, {files['weights']} of weights; "
        f"{counted(len(planned.left_out), 'file')} left out"
    )
