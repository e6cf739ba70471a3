"""What `data audit` and `data sources` say, for a terminal of 100 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from tabulate import tabulate

from datasets.other_versions import OTHER_VERSIONS
from datasets.sources import RawSource, sources_of

if TYPE_CHECKING:
    from datasets.audit import Finding

COLUMNS = 100
SEVERITIES = ("leak", "note", "ok", "not checked")
"""The worst first; see `datasets.audit.Severity`."""


def audited(label: str, findings: Sequence[Finding]) -> str:
    """The findings of one dataset, the worst first, below a line that counts them."""
    counts = Counter(finding.severity for finding in findings)
    told = ", ".join(f"{counts[severity]} {severity}" for severity in SEVERITIES)
    ordered = sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
    return "\n".join([f"{label}: {told}", *map(_finding, ordered)])


def sources(dataset: str, label: str) -> str:
    """Where each raw file of a dataset comes from, and what else is called by its name."""
    used = sources_of(dataset)
    others = [source for source in OTHER_VERSIONS if source.dataset == dataset]
    rows = [[source.file, _size(source), *_rights(source)] for source in used]
    head = ["file", "size", "fetched", "share", "licence"]
    table = tabulate(rows, head, tablefmt="simple", maxcolwidths=[34, 16, None, None, 24])
    by_hand = not all(source.automatic for source in used)
    words = " --raw DIR, where DIR holds the files" if by_hand else " (downloads what is missing)"
    parts = [label, table, *map(_details, used)]
    parts.append(f"then type: ./reproduce.sh data prepare {dataset}{words}")
    if others:
        parts += ["other versions, which are not read:", *map(_details, others)]
    citations = dict.fromkeys(source.citation for source in (*used, *others))
    parts += [_wrapped(f"cite: {citation}", "") for citation in citations]
    return "\n".join(parts) + "\n"


def _finding(finding: Finding) -> str:
    protocols = f" ({', '.join(finding.protocols)})" if finding.protocols else ""
    start = f"  {finding.severity:<11} "
    text = f"{finding.check}{protocols}: {finding.text}"
    return fill(text, COLUMNS, initial_indent=start, subsequent_indent=" " * len(start))


def _size(source: RawSource) -> str:
    return source.size if source.bytes is None else f"{source.bytes:,} bytes"


def _rights(source: RawSource) -> list[str]:
    fetched = "data prepare" if source.automatic else "by a person"
    return [fetched, "yes" if source.redistributable else "no", source.licence]


def _details(source: RawSource) -> str:
    """Addresses, checksum and notes: what does not fit into a table."""
    facts = [*source.urls]
    facts += [f"sha256 {source.sha256}"] if source.sha256 else []
    facts += [source.note] if source.note else []
    return "\n".join([f"  {source.file}", *(_wrapped(fact, "    ") for fact in facts)])


def _wrapped(text: str, indent: str) -> str:
    further = f"{indent}  "
    return fill(
        text, COLUMNS, initial_indent=indent, subsequent_indent=further, break_long_words=False
    )
