"""The checks that every dataset can have: pure functions of its splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from datasets.audit.findings import (
    Check,
    Finding,
    Sample,
    Severity,
    Splits,
    names,
    under_protocols,
)
from datasets.errors import counted
from datasets.spec import THREE_PARTS

SHOWN = 3
"""Names that a text lists; the numbers have all of them."""

UNBALANCED = 2
"""A majority class of this many times its even share makes accuracy hard to read."""


def of_parts(parts: Mapping[str, Sequence[Sample]]) -> dict[str, Splits]:
    """The splits of every protocol, for data with three official parts."""
    return {
        protocol: {split: parts[part] for split, part in used.items()}
        for protocol, used in THREE_PARTS.items()
    }


def answers(splits: Mapping[str, Splits], checks: Sequence[Check]) -> list[Finding]:
    """How each protocol chooses epochs, and each check under each protocol."""
    chosen = [selection(protocol, own) for protocol, own in splits.items()]
    return chosen + under_protocols(splits, checks)


def selection(protocol: str, splits: Splits) -> Finding:
    """Whether the epoch is chosen on the samples that the reported accuracy is of."""
    val, test = names(splits["val"]), names(splits["test"])
    common = len(set(val) & set(test))
    numbers = {"val": len(val), "test": len(test), "common": common}
    if not common:
        text = f"epochs are chosen on {counted(len(val), 'sample')} not tested on"
        return Finding("selection", "ok", text, numbers, (protocol,))
    how = "val == test" if val == test else f"{common} of the {len(test)} test samples are in val"
    text = f"epochs are chosen on the samples they are tested on ({how})"
    return Finding("selection", "leak", text, numbers, (protocol,))


def repeated(splits: Splits) -> Finding:
    """Samples that are in two splits, or twice in one."""
    across = _common({s: set(names(samples)) for s, samples in splits.items()})
    twice = {s: _twice(names(samples)) for s, samples in splits.items()}
    numbers = {"across": across, "within": {s: found for s, found in twice.items() if found}}
    parts = [f"{len(found)} in {pair}{examples(found)}" for pair, found in across.items()]
    parts += [f"{len(found)} twice in {s}{examples(found)}" for s, found in twice.items() if found]
    text = f"samples that occur again: {', '.join(parts)}" if parts else "no sample occurs twice"
    return Finding("samples", _severity(across, bool(parts)), text, numbers)  # type: ignore[arg-type]


def shared(splits: Splits, kind: str) -> Finding:
    """Whether splits have a speaker, video or recording (`kind`, a key of `groups`) in common."""
    groups = {s: {x.groups[kind] for x in samples} for s, samples in splits.items()}
    common = {pair: len(found) for pair, found in _common(groups).items()}
    total = len(set().union(*groups.values()))
    numbers: dict[str, object] = {"total": total, "shared": common}
    if not common:
        return Finding(f"{kind}s", "ok", f"no {kind} is in two splits ({total} in all)", numbers)
    others = set().union(*(groups[s] for s in groups if s != "test"))
    touched = sum(x.groups[kind] in others for x in splits["test"])
    numbers["test_samples"] = touched
    listed = ", ".join(f"{count} in {pair}" for pair, count in common.items())
    text = f"{kind}s in two splits: {listed}, of {total} in all"
    if touched:
        text += f"; {touched} of {len(splits['test'])} test samples have one"
    return Finding(f"{kind}s", _severity(common, True), text, numbers)  # type: ignore[arg-type]


def identical(splits: Splits, kind: str) -> Finding:
    """Byte-identical files of one `kind` (a key of `digests`) and whether their labels agree."""
    holders = defaultdict(list)
    for split, sample in _all(splits):
        if kind in sample.digests:
            holders[sample.digests[kind]].append(_Holder(split, sample))
    groups = [held for held in holders.values() if len(held) > 1]
    across = [held for held in groups if len({h.split for h in held}) > 1]
    disputed = [held for held in groups if len({h.sample.labels for h in held}) > 1]
    numbers = {
        "files": sum(map(len, holders.values())),
        "groups": len(groups),
        "across_splits": len(across),
        "other_label": len(disputed),
        "names": sorted([h.sample.name for h in held] for held in groups),
    }
    check = f"identical {kind}"
    if not groups:
        return Finding(check, "ok", f"no two of {numbers['files']} {kind} files are equal", numbers)
    touched = {h.split for held in across for h in held}
    text = (
        f"{counted(len(groups), 'group')} of byte-identical {kind} files, {len(across)} of them "
        f"across splits,"
        f" {len(disputed)} with different labels{examples(_told(h) for h in across or groups)}"
    )
    return Finding(check, "leak" if "test" in touched else "note", text, numbers)


def balance(splits: Splits) -> Finding:
    """Labels per class and split, and what always answering the commonest class scores on test."""
    counts = {s: Counter(x for one in samples for x in one.labels) for s, samples in splits.items()}
    classes = sorted(set().union(*counts.values()), key=_in_order)
    numbers: dict[str, object] = {s: {c: n[c] for c in classes} for s, n in counts.items()}
    share = {s: max(n.values()) / n.total() for s, n in counts.items() if n}
    numbers["majority"] = {s: round(value, 4) for s, value in share.items()}
    missing = [f"{c} in {s}" for s, n in counts.items() for c in classes if not n[c]]
    majority = counts["test"].most_common(1)[0][0] if counts["test"] else "none"
    sizes = ", ".join(f"{s} {len(samples)}" for s, samples in splits.items())
    listed = ", ".join(f"{s} {100 * value:.1f} %" for s, value in share.items())
    text = f"samples: {sizes}; majority class ({majority} in test): {listed}"
    if missing:
        text += f"; classes without a sample: {', '.join(missing[:SHOWN])}"
    uneven = share.get("test", 1) >= UNBALANCED / max(len(classes), 1)
    return Finding("classes", "note" if missing or uneven else "ok", text, numbers)


def examples(found: Iterable[str]) -> str:
    """The first names in brackets, or nothing where there are none."""
    listed = list(found)
    more = ", ..." if len(listed) > SHOWN else ""
    return f" ({', '.join(listed[:SHOWN])}{more})" if listed else ""


class _Holder(NamedTuple):
    split: str
    sample: Sample


def _all(splits: Splits) -> Iterator[tuple[str, Sample]]:
    return ((split, sample) for split, samples in splits.items() for sample in samples)


def _common(groups: dict[str, set[str]]) -> dict[str, list[str]]:
    """{"train and test": what both have}, where they have something."""
    pairs = {f"{a} and {b}": sorted(groups[a] & groups[b]) for a, b in combinations(groups, 2)}
    return {pair: found for pair, found in pairs.items() if found}


def _severity(common: dict[str, object], found: bool) -> Severity:
    if any("test" in pair for pair in common):
        return "leak"
    return "note" if found else "ok"


def _twice(all_names: list[str]) -> list[str]:
    return sorted(name for name, count in Counter(all_names).items() if count > 1)


def _told(held: list[_Holder]) -> str:
    return " = ".join(f"{h.sample.name} {h.split}" for h in held)


def _in_order(label: str) -> tuple[int, str]:
    return (int(label) if label.isdecimal() else -1, label)
