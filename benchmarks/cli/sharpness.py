"""The verb sharpness: curvature and loss surface of finished runs with kept weights."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.cli.session import Say, Session, open_session
from benchmarks.configs.load import refuse, unknown_words
from benchmarks.exit_status import Exit
from benchmarks.records.files import check_writable
from benchmarks.records.record import RunRecord
from benchmarks.studies.sharpness.sharpness_files import (
    Curvature,
    CurvatureSettings,
    Surface,
    SurfaceSettings,
    curvature_path,
    readable,
)
from datasets.store.system import listed


def sharpness(arguments: Namespace, say: Say) -> Exit:
    """Measures what is not measured yet, then writes the table and the figure.

    DIFFERS if a run could not be measured, for example as its weights were not kept.
    """
    session = open_session(arguments, say)
    curvature, surface = _settings(arguments, session)
    runs = _runs(arguments, session)
    kept = [run for run in runs if session.folders.weights(run.run_id).exists()]
    for run in runs:
        if run not in kept:
            say(f"{run.run_id}  done, but its weights were not kept; {_how_to_keep(run, session)}")
    measured = _measure(kept, curvature, surface, arguments.device, session) if kept else []
    if measured:
        _report(measured, curvature, session)
    return Exit.FINE if len(measured) == len(runs) else Exit.DIFFERS


def _settings(arguments: Namespace, session: Session) -> tuple[CurvatureSettings, SurfaceSettings]:
    """The settings of the command line; ValueError for words that are unknown."""
    problems = unknown_words("dataset", [arguments.dataset], session.config.datasets)
    problems += unknown_words("fusion", [arguments.fusion], ("late", "early"))
    problems += unknown_words("method", arguments.methods, session.config.methods)
    refuse(problems)
    rows = {"split": arguments.split, "samples": arguments.samples}
    curvature = CurvatureSettings(**rows, rho=arguments.rho, probes=arguments.probes)
    return curvature, SurfaceSettings(**rows, grid=arguments.grid, span=arguments.span)


def _runs(arguments: Namespace, session: Session) -> list[RunRecord]:
    """The finished runs asked for, on all modalities; ValueError if there is none."""
    wanted = arguments.methods or list(session.config.methods)
    runs = [
        record
        for record in session.records()
        if record.status == "done"
        and not record.experiment.modalities
        and record.experiment.dataset == arguments.dataset
        and record.experiment.fusion == arguments.fusion
        and record.experiment.method in wanted
    ]
    if not runs:
        raise ValueError(
            f"no finished run of {arguments.dataset}, {arguments.fusion} fusion, in "
            f"{session.folders.root}; train with ./reproduce.sh table1 (late) or table2 (early), "
            f"and {session.words} --keep-weights"
        )
    return sorted(runs, key=lambda r: (wanted.index(r.experiment.method), r.experiment.seed))


def _how_to_keep(run: RunRecord, session: Session) -> str:
    experiment = run.experiment
    table = "table1" if experiment.fusion == "late" else "table2"
    threads = experiment.threads if experiment.threads != 1 else None
    words = replace(session, protocol=experiment.data.get("protocol"), threads=threads).words
    return (
        f"train it with its weights kept: ./reproduce.sh {table} "
        f"{words} --datasets {experiment.dataset} --methods {experiment.method} --keep-weights"
    )


def _report(runs: Sequence[RunRecord], settings: CurvatureSettings, session: Session) -> None:
    """Shows the table of these runs; the files have everything that was ever measured."""
    from benchmarks.report.figures.write import write_figures
    from benchmarks.studies.sharpness.sharpness_table import (
        sharpness_rows,
        sharpness_text,
        write_sharpness,
    )
    from benchmarks.studies.sharpness.surface_figure import surface_figures

    config, folders, records = session.config, session.folders, session.records()
    found = [Curvature.load(curvature_path(folders, run.run_id, settings)) for run in runs]
    session.say(sharpness_text(sharpness_rows(config, runs, found)))
    table = folders.tables / "sharpness.csv"
    files = listed(folders.root / "sharpness", "*.json")
    every = readable(Curvature.load, files, session.say)
    write_sharpness(sharpness_rows(config, records, every), table)
    files = listed(folders.root / "landscape", "*.csv")
    surfaces = readable(Surface.load, files, session.say)
    figures = surface_figures(config, records, surfaces)
    drawn = write_figures(figures, folders.root / "figures").files
    session.say("\n  ".join(["Written:", *map(str, [table, *drawn])]))


def _measure(
    runs: Sequence[RunRecord],
    curvature: CurvatureSettings,
    surface: SurfaceSettings,
    device: str | None,
    session: Session,
) -> list[RunRecord]:
    """Measures the runs one by one; names those that it cannot measure and returns the others."""
    check_writable(session.folders.root)
    # Torch takes seconds to import: a mistake in the words should not wait for it.
    from benchmarks.executors.devices import pick_device
    from benchmarks.studies.sharpness.probe import Prober
    from benchmarks.training.context import Reporter

    prober = Prober(session.folders, pick_device(device), Reporter.with_bars(session.say))
    measured = []
    for number, run in enumerate(runs, 1):
        session.say(f"run {number}/{len(runs)}  {run.run_id}")
        try:
            prober.curvature(run, curvature)
            prober.surface(run, surface)
        except ValueError as error:
            session.say(f"{run.run_id}  not measured: {error}")
            continue
        measured.append(run)
    return measured
