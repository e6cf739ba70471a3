"""The verbs of studies that train nothing: `calibrate`, and `forensics printed`."""

from __future__ import annotations

from argparse import Namespace

from benchmarks.cli.session import Say
from benchmarks.exit_status import Exit
from benchmarks.plan import workspace
from benchmarks.records.files import csv_text, write_text
from benchmarks.report.tables.paper import FOLDER


def calibrate(arguments: Namespace, say: Say) -> Exit:
    """How often the verdicts are wrong, on simulated runs; DIFFERS if the collector gives
    other verdicts than the rules."""
    from benchmarks.studies.calibration import collector
    from benchmarks.studies.calibration.study import SEEDS, SPREADS, csv_lines, markdown, run_study

    if arguments.columns < 10:
        raise ValueError(f"--columns is {arguments.columns}; it must be at least 10")
    study = run_study(arguments.columns, spreads=SPREADS, seeds=SEEDS)
    passed = collector.pass_through(max(1, arguments.columns // 200), SPREADS, SEEDS)
    text = f"{markdown(study)}\n{collector.markdown(passed)}"
    out = arguments.out or workspace.own_results("calibration")
    write_text(out / "calibration.md", f"# How often the verdicts are wrong\n\n{text}")
    write_text(out / "calibration.csv", csv_text(csv_lines(study.rates)))
    say(f"{text}\nWritten: {out / 'calibration.md'} and .csv")
    return Exit.DIFFERS if any(each.others for each in passed) else Exit.FINE


def printed(arguments: Namespace, say: Say) -> Exit:
    """Which test-set sizes the paper's printed numbers fit."""
    from benchmarks.studies.forensics.printed import csv_lines, fits, markdown, printed_numbers

    numbers = printed_numbers()
    found = fits(numbers)
    out = arguments.out or workspace.own_results(FOLDER.name)
    text = markdown(numbers, found)
    write_text(out / "sizes.md", text)
    write_text(out / "sizes.csv", csv_text(csv_lines(found)))
    say(f"{text}\nWritten: {out / 'sizes.md'} and .csv")
    return Exit.FINE
