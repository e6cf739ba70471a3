"""The verb `data`: what is prepared, prepare it, what leaks in it, where it comes from."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from benchmarks.cli.options import DATA_ACTIONS
from benchmarks.cli.session import Say
from benchmarks.configs.load import load_config, lookup
from benchmarks.exit_status import Exit
from benchmarks.host import path_in
from benchmarks.plan import workspace
from benchmarks.records.files import write_json
from benchmarks.terminal import bold, definitions, wrapped
from datasets import registry
from datasets.spec import FetchOptions, RawSource
from msam.parameters import nearest

if TYPE_CHECKING:
    from datasets.audit.findings import Finding


def data(arguments: Namespace, say: Say) -> Exit:
    """data status [NAME ...], data prepare NAME, data audit [NAME ...], data sources [NAME ...].

    Without any of these words it says what they do.
    """
    if arguments.action is None:
        say("\n".join(["./reproduce.sh data ACTION [NAME ...]", *definitions(DATA_ACTIONS)]))
        return Exit.FINE
    actions = {"status": _status, "prepare": _prepare, "audit": _audit, "sources": _sources}
    if arguments.action not in actions:
        hint = nearest(arguments.action, actions)
        raise ValueError(f"no action '{arguments.action}'{hint}; known: {', '.join(actions)}")
    for name in arguments.names:
        lookup("dataset", name, load_config().datasets)
    if arguments.out and arguments.action != "audit":
        raise ValueError(f"--out is for data audit; data {arguments.action} writes no file")
    if (arguments.accept_licence or arguments.mirror) and arguments.action != "prepare":
        raise ValueError(
            "--accept-licence and --mirror are for data prepare; data "
            f"{arguments.action} downloads nothing"
        )
    actions[arguments.action](arguments, say)
    return Exit.FINE


def _status(arguments: Namespace, say: Say) -> None:
    say(f"data folder: {workspace.data_folder()}")
    for name in arguments.names or load_config().datasets:
        real = registry.prepared_state(name, workspace.prepared_folder(name, stand_in=False))
        made = registry.prepared_state(name, workspace.prepared_folder(name, stand_in=True))
        later = "the demo profile generates it when it needs it"
        detail = later if made.state == "missing" else made.detail
        facts = {
            "protocols": ", ".join(registry.protocols(name)),
            "real": f"{real.state}: {real.detail}",
            "stand-in": f"{made.state}: {detail}",
        }
        first, *others = definitions(facts, indent=" " * 11)
        say("\n".join([f"  {name:<8} {first.lstrip()}", *others]))


def _prepare(arguments: Namespace, say: Say) -> None:
    if len(arguments.names) != 1:
        problem = "prepare one at a time" if arguments.names else "name the dataset to prepare"
        raise ValueError(f"{problem}: {', '.join(registry.LOADERS)}")
    (name,) = arguments.names
    folder = workspace.prepared_folder(name, stand_in=False)
    with stage_progress(say) as progress:
        report = registry.prepare(
            name,
            _raw_places(arguments),
            folder,
            progress=progress,
            force=arguments.force,
            fetching=FetchOptions(arguments.accept_licence, arguments.mirror),
        )
    say(str(report))


def _audit(arguments: Namespace, say: Say) -> None:
    found = {}
    for name in arguments.names or load_config().datasets:
        fetched = workspace.data_folder() / "raw" / name
        places = _raw_places(arguments) or [place for place in [fetched] if place.is_dir()]
        found[name] = registry.audit(name, places, workspace.prepared_folder(name, stand_in=False))
        say(audited(load_config().datasets[name].label, found[name]))
    if arguments.out:
        findings = {name: [asdict(one) for one in answers] for name, answers in found.items()}
        write_json(arguments.out, {"format": 1, "findings": findings})
        say(f"written: {arguments.out}")


def _sources(arguments: Namespace, say: Say) -> None:
    for name in arguments.names or load_config().datasets:
        say(sources(name, load_config().datasets[name].label))


def _raw_places(arguments: Namespace) -> list[Path]:
    """What `--raw` names, else MSAM_RAW_DIR, else nothing."""
    return arguments.raw or [place for place in [path_in("MSAM_RAW_DIR")] if place]


@contextmanager
def stage_progress(say: Say) -> Iterator[Callable[[str, int, int], None]]:
    """A callback (stage, done, total): a bar per stage on a terminal, else a line per stage."""
    interactive = sys.stderr.isatty()
    bars: dict[str, tqdm] = {}

    def show(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = tqdm(
                desc=stage, total=total or None, disable=not interactive, unit="", unit_scale=True
            )
            if not interactive:
                say(stage)
        bars[stage].update(done - bars[stage].n)

    try:
        yield show
    finally:
        for bar in bars.values():
            bar.close()


SEVERITIES = ("leak", "note", "ok", "not checked")
"""The worst first; see `datasets.audit.findings.Severity`."""


def audited(label: str, findings: Sequence[Finding]) -> str:
    """The findings of one dataset, the worst first, below a line that counts them."""
    counts: Counter[str] = Counter(finding.severity for finding in findings)
    told = ", ".join(f"{counts[severity]} {severity}" for severity in SEVERITIES)
    ordered = sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
    return "\n".join([f"{label}: {told}", *map(_finding, ordered)])


def sources(dataset: str, label: str) -> str:
    """Where each raw file of a dataset comes from, and what else is called by its name."""
    loader = registry.loader_of(dataset)
    used, others = loader.sources, loader.other_versions
    words = " (downloads what is missing)"
    if not all(source.automatic for source in used):
        words = " --raw DIR, where DIR holds the files"
    elif any(source.on_drive for source in used):
        words = " --accept-licence (needs gdown), or --raw DIR"
    elif any(source.needs_consent for source in used):
        words = " --accept-licence (or --raw DIR if you have the files)"
    parts = [bold(label), *(_details(source, _rights(source)) for source in used)]
    parts.append(wrapped(f"then type: ./reproduce.sh data prepare {dataset}{words}", "", "  "))
    if others:
        parts += ["other versions, which are not read:", *map(_details, others)]
    citations = dict.fromkeys(source.citation for source in (*used, *others))
    parts += [wrapped(f"cite: {citation}", "", "  ") for citation in citations]
    return "\n".join(parts) + "\n"


def _finding(finding: Finding) -> str:
    protocols = f" ({', '.join(finding.protocols)})" if finding.protocols else ""
    start = f"  {finding.severity:<11} "
    text = f"{finding.check}{protocols}: {finding.text}"
    return wrapped(text, start, " " * len(start))


def _size(source: RawSource) -> str:
    return source.size if source.bytes is None else f"{source.bytes:,} bytes"


def _rights(source: RawSource) -> str:
    """How the file is fetched, its licence, and whether it may be passed on."""
    fetched = "automatic" if source.automatic else "by hand"
    if source.needs_consent:
        fetched = "on consent"
    share = "may be passed on" if source.redistributable else "may not be passed on"
    return f"{_size(source)}; fetched: {fetched}; licence: {source.licence}; {share}"


def _details(source: RawSource, *facts: str) -> str:
    """The `facts`, then addresses, checksum and notes."""
    known = [*facts, *source.urls]
    known += [f"sha256 {source.sha256}"] if source.sha256 else []
    known += [source.note] if source.note else []
    return "\n".join([f"  {source.file}", *(wrapped(fact, "    ", "      ") for fact in known)])
