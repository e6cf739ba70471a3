"""The verb `forensics`: which way of making AV-MNIST gives the published accuracies.

`forensics archive` reads the published archive itself, `forensics printed` the paper's digits.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from benchmarks.cli.data import stage_progress
from benchmarks.cli.execute import Command, asked_settings, execute, stop_after
from benchmarks.cli.session import Say, Session, with_threads
from benchmarks.configs.load import load_config
from benchmarks.executors.stop import EXIT_UNFINISHED
from benchmarks.plan import workspace
from benchmarks.records import status
from benchmarks.records.files import csv_text, write_json, write_text
from benchmarks.records.folders import Folders
from benchmarks.records.record import RunRecord
from benchmarks.report.compute import write_compute
from benchmarks.report.figures.write import write_figures
from benchmarks.report.tables.paper import FOLDER
from benchmarks.studies.forensics import cases
from benchmarks.studies.forensics.archive import as_json, markdown, row_lines, study
from benchmarks.studies.forensics.archive_figure import archive_figure
from benchmarks.studies.forensics.forensics_figure import forensics_figure
from datasets.avmnist.archive import read_archive, store_archive
from datasets.avmnist.loader import READ_ARCHIVE, AvMnist
from datasets.avmnist.matching import known_recordings, match
from datasets.avmnist.raw import download_archive
from datasets.errors import counted

SHARES = "shares.json"  # beside the table: facts about the data, for those without the data


def forensics(arguments: Namespace, say: Say) -> int:
    """The study that is named: `archive`, `printed`, or `pairings` without a name."""
    if arguments.study == "printed":
        return _printed(arguments, say)
    if arguments.study == "archive":
        return _archive(arguments, say)
    if arguments.raw or arguments.accept_licence:
        raise ValueError(
            "--raw and --accept-licence are for forensics archive; forensics alone reads the "
            "prepared data"
        )
    return _pairings(arguments, say)


def _archive(arguments: Namespace, say: Say) -> int:
    """Says what the published archive holds, and stores it for `--set source=archive`."""
    loader, folder = AvMnist(), workspace.prepared_folder(cases.DATASET, stand_in=False)
    if arguments.raw is None and not arguments.accept_licence:
        raise ValueError(
            f"name the archive: {READ_ARCHIVE}; or, with gdown installed, --accept-licence "
            "downloads it (its makers state no licence)"
        )
    manifest = loader.manifest(folder)
    place = arguments.raw or download_archive(loader.raw_folder(folder))
    with stage_progress(say) as progress:
        archive = read_archive(place, progress)
        known = known_recordings(folder, manifest, loader.remedy(manifest.stand_in))
        found = study(archive, known, match(archive, known, progress), folder)
    root = arguments.out or workspace.ROOT / "results" / "forensics"
    write_text(root / "archive_rows.csv", csv_text(row_lines(found)))
    write_text(root / "archive.md", markdown(found))
    write_json(root / "archive.json", as_json(found))
    figures = write_figures([archive_figure(found)], root / "figures")
    store_archive(archive, loader.archive_folder(folder))
    say(markdown(found))
    names = [root / name for name in ("archive.md", "archive.json", "archive_rows.csv")]
    say("\n  ".join(["written:", *map(str, (*names, *figures.files))]))
    say("to train on the archive: ./reproduce.sh run --dataset avmnist ... --set source=archive")
    return 0


def _printed(arguments: Namespace, say: Say) -> int:
    """Which test-set sizes the paper's printed numbers fit."""
    from benchmarks.studies.forensics.printed import csv_lines, fits, markdown, printed_numbers

    numbers = printed_numbers()
    found = fits(numbers)
    out = arguments.out or FOLDER
    text = markdown(numbers, found)
    write_text(out / "sizes.md", text)
    write_text(out / "sizes.csv", csv_text(csv_lines(found)))
    say(f"{text}\nWritten: {out / 'sizes.md'} and .csv")
    return 0


def _pairings(arguments: Namespace, say: Say) -> int:
    """Trains what is missing and writes `forensics.csv` and `.md`; 1 if a run failed.

    If the data is not prepared, the table is made from the recorded runs alone; exit status 1 and
    no table if one of them is damaged.
    """
    if arguments.seeds is not None and arguments.seeds < 1:
        raise ValueError(f"--seeds is {arguments.seeds}; it must be at least 1")
    settings, stop = asked_settings(arguments), stop_after(arguments.max_hours)
    config = load_config()
    if arguments.threads is not None:
        config = with_threads(config, cases.PROFILE, arguments.threads)
    folders = Folders(arguments.out or workspace.ROOT / "results" / "forensics")
    session = Session(config, cases.PROFILE, folders, say)
    seeds = arguments.seeds or session.profile.seeds
    if not cases.is_prepared(config) and (folders.root / SHARES).exists():
        say("the data is not prepared: this is the table of the recorded runs")
        return _write_recorded(session, seeds)
    planned = [
        experiment
        for case in cases.CASES
        for seed in range(seeds)
        for experiment in cases.experiments(config, case, seed).values()
    ]
    missing = status.pending(planned, folders, arguments.rerun_stale)
    runs = counted(len({e.run_id for e in planned}), "run")
    say(f"{runs} planned, {len(missing)} of them to do")
    exit_status = execute(Command(session, settings, stop), missing) if missing else 0
    if exit_status == EXIT_UNFINISHED:
        return exit_status
    write_json(folders.root / SHARES, cases.shares(config))
    _write(session, [RunRecord.load(folders.record(e.run_id)) for e in planned], seeds)
    return exit_status


def _write_recorded(session: Session, seeds: int) -> int:
    """The table of the recorded runs; exit status 1 and no table if a record of it is lost."""
    records, left_out = session.archive()
    for each in left_out:
        session.say(f"left out: {each.name}.json: {each.reason}")
    planned = cases.drafts(session.config, seeds)
    if lost := cases.lost(planned, records, left_out):
        count = counted(len(lost), "record")
        session.say(f"nothing is written: {count} of the table lost; restore or delete the files")
        return 1
    if not cases.chosen(records, planned):
        session.say("nothing is written: there is no record of the table")
        return 1
    _write(session, records, seeds)
    return 0


def _write(session: Session, records: Sequence[RunRecord], seeds: int) -> None:
    root = session.folders.root
    pairings = [case.pairing for case in cases.CASES]
    shares = cases.load_shares(root / SHARES, pairings)
    table = cases.rows(session.config, records, shares, seeds)
    write_text(root / "forensics.csv", csv_text(cases.csv_lines(table)))
    write_text(root / "forensics.md", cases.markdown(table))
    write_compute(records, {}, root / "compute.csv")
    files = write_figures([forensics_figure(table)], root / "figures").files
    session.say(cases.markdown(table))
    session.say("\n  ".join([f"written: {root / 'forensics.csv'} and .md", *map(str, files)]))
