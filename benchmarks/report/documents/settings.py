"""What the configs say, as tables of the documents: profiles, grids, and the cost of a schedule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

from benchmarks.configs.load import load_config
from benchmarks.configs.schema import Config, MethodConfig
from benchmarks.plan.costs import estimates
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.measurements import COMMITTED, Figures, SampleCounts, load_figures
from benchmarks.plan.suites import DataState, plan_suite
from benchmarks.report.documents.evidence import TABLES
from benchmarks.report.tables.paper import PAPER_PROFILE
from msam.optim import OptimConfig

PUBLISHED = {
    "avmnist": SampleCounts(55_000, {"audio": 2_000, "visual": 15_000}, 10_000, 10),
    "cremad": SampleCounts(6_028, {"audio": 1_414, "visual": 1_414}, 744, 6),
    "ave": SampleCounts(3_339, {"audio": 804, "visual": 804}, 4_020, 29),
}
"""Samples of the protocol `validation`, so that no prepared data is needed: trained on, evaluated
per modality (of AV-MNIST's sound the different recordings), predicted of the test part; classes."""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, without padding: the README must stay short."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def profiles() -> str:
    """The table of all profiles: what a run of each is."""
    config = load_config()
    rows = []
    for name, profile in config.profiles.items():
        optim = asdict(OptimConfig(**profile.optim))
        rows.append(
            [
                f"`{name}`",
                "stand-in" if profile.stand_in else "real",
                f"`{config.datasets['avmnist'].encoders[profile.encoders]}`",
                profile.epochs,
                f"{optim['lr']:g}",
                optim["decay_epochs"],
                profile.batch_size,
                profile.seeds,
                f"{profile.train_samples:,}" if profile.train_samples else "all",
            ]
        )
    header = ["profile", "data", "network per modality (AV-MNIST)", "epochs", "learning rate"]
    header += ["decay x0.1 after epoch", "batch", "seeds", "training rows"]
    return table(header, rows)


def profile_names() -> str:
    """The table of all profiles in one sentence each."""
    found = load_config().profiles.items()
    return table(["option", "gives"], ([f"`--profile {n}`", p.about] for n, p in found))


def methods() -> str:
    """The table of all methods: paper, published code with its commit, and what each is here."""
    groups = {"table": "Tables 1 and 2", "extension": "extension", "control": "control"}
    rows = [
        [
            f"`{name}`",
            method.label,
            groups[method.group],
            method.reference.removeprefix("control: "),
        ]
        for name, method in load_config().methods.items()
    ]
    return table(["name", "method", "belongs to", "source"], rows)


def grids() -> str:
    """The table of what `tune` chooses from, with a row for every method."""
    config = load_config()
    header = ["method", "parameter", "values", "published value in use", "source"]
    return table(header, (_grid(config, method) for method in config.methods.values()))


def _grid(config: Config, method: MethodConfig) -> list[str]:
    if method.follows:
        followed = config.methods[method.follows].label
        about = "a control takes the value of what it controls"
        return [method.label, "", f"follows {followed}", "", about]
    if method.grid is None:
        return [method.label, "", "nothing to choose", "", ""]
    grid = method.grid
    values = [method.values(name).get(grid.parameter) for name in config.datasets]
    used = ", ".join(f"{value:g}" for value in dict.fromkeys(values) if value is not None)
    listed = ", ".join(f"{value:g}" for value in grid.values)
    used = used or "the method's default"
    return [method.label, f"`{grid.parameter}`", listed, used, grid.source]


def hours() -> str:
    """The table of what the paper's schedule takes, from the figures that are committed."""
    config = load_config()
    header = ["data", *(config.suites[suite].title for suite in TABLES)]
    return table(header, ([config.datasets[d].label, *_cells(d)] for d in config.datasets))


def _cells(dataset: str) -> list[str]:
    found = [schedule_hours(dataset, suite) for suite in TABLES]
    return ["not measured" if each is None else f"{each:,.0f} h" for each in found]


def schedule_hours(dataset: str, suite: str) -> float | None:
    """Hours of the runs of a table on one dataset, one after the other; None without figures."""
    config, figures = load_config(), committed_figures()
    profile = config.profiles[PAPER_PROFILE]
    states = {name: DataState("any") for name in config.datasets}
    cells = [c for c in plan_suite(config, suite, profile, states) if c.dataset == dataset]
    runs = [run for cell in cells for run in cell.experiments(profile.seeds)]
    if dataset not in PUBLISHED:
        return None
    seconds = [each.seconds for each in estimates(runs, figures, published_counts)]
    return None if None in seconds else sum(filter(None, seconds)) / 3600


def committed_figures() -> Figures:
    """Those published with the code, whatever this machine has measured."""
    return load_figures(own=COMMITTED)


def published_counts(experiment: Experiment) -> SampleCounts:
    """The samples of a run on the published splits, those of its own modalities alone."""
    counts = PUBLISHED[experiment.dataset]
    trained_on = experiment.modalities or counts.evaluated
    return replace(counts, evaluated={m: counts.evaluated[m] for m in trained_on})
