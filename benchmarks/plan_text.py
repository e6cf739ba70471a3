"""A plan for people: what is left to run, and what it will cost. Free of torch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from benchmarks.costs import Estimate, sources
from benchmarks.experiment import Experiment
from benchmarks.standing import Standing

MOST_LINES = 40  # with more runs, there is one line for those that differ in their seed alone


def run_lines(
    missing: Sequence[Experiment], found: Mapping[str, Standing], costs: Sequence[Estimate]
) -> list[str]:
    """A line per run, or with many runs per dataset, fusion and method, dataset by dataset."""
    if len(missing) <= MOST_LINES:
        return [f"  {e.run_id}  {found[e.run_id]}" for e in missing]
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    datasets = list(dict.fromkeys(e.dataset for e in missing))
    for number, e in sorted(enumerate(missing), key=lambda pair: datasets.index(pair[1].dataset)):
        groups[e.dataset, e.fusion, " ".join((e.method, *e.modalities))].append(number)
    widths = [max(len(name[i]) for name in groups) for i in range(3)]
    lines = []
    for names, members in groups.items():
        padded = "  ".join(name.ljust(width) for name, width in zip(names, widths, strict=True))
        states = Counter(found[missing[i].run_id].state for i in members)
        text = ", ".join(f"{count} {state}" for state, count in states.items())
        lines.append(f"  {padded}  {_duration([costs[i] for i in members]):>9}  {text}")
    return lines


def cost_lines(costs: Sequence[Estimate]) -> list[str]:
    """Hours, memory and disk of all runs, where the figures come from, and what is lacking."""
    timed = [c.seconds for c in costs if c.seconds is not None]
    lines = []
    if timed:
        lines.append(f"time: {sum(timed) / 3600:.2f} h for {len(timed)} runs, one after the other")
    for reason, count in Counter(c.lacking for c in costs if c.lacking).items():
        lines.append(f"time of {count} runs: {reason}")
    peaks = [c.memory for c in costs if c.memory is not None]
    if peaks:
        lines.append(f"memory: {max(peaks):.0f} MiB a run at most{_of(peaks, costs)}")
    else:
        lines.append("memory: no figure: run ./reproduce.sh bench --parts memory")
    sizes = [c.disk for c in costs if c.disk is not None]
    lines.append(f"disk: {sum(sizes) / 1e6:.1f} MB at most{_of(sizes, costs)}")
    return lines + [f"figures of {sources(costs)}"] * bool(timed)


def _duration(costs: Sequence[Estimate]) -> str:
    seconds = [c.seconds for c in costs if c.seconds is not None]
    if len(seconds) < len(costs):
        return "no figure"
    minutes = sum(seconds) / 60
    return f"{minutes:.1f} min" if minutes < 60 else f"{minutes / 60:.2f} h"


def _of(known: Sequence[float], costs: Sequence[Estimate]) -> str:
    return f", known of {len(known)} of {len(costs)} runs" if len(known) < len(costs) else ""
