"""docs/add-a-table.md, followed to the letter."""

from __future__ import annotations

import csv
from pathlib import Path

import yaml

from tests.documents import ROOT, blocks, commands, copy_of_suite, follow

DOCUMENT = ROOT / "docs" / "add-a-table.md"


def test_a_table_of_ones_own_is_planned_trained_and_shown(tmp_path: Path) -> None:
    place = copy_of_suite(tmp_path)
    (entry,) = blocks(DOCUMENT, "yaml")
    suites = place / "benchmarks" / "configs" / "suites.yaml"
    suites.write_text(suites.read_text() + entry)
    ((name, suite),) = yaml.safe_load(entry).items()
    labels = [row["label"] for row in suite["rows"]]
    see, train = map(commands, blocks(DOCUMENT))
    usage, listed, plan, table, status = follow(place, [*see, *train])
    assert f"  {name} " in usage and suite["title"] in usage
    assert suite["title"] in listed and all(label in listed for label in labels)
    assert "3 runs planned, 0 of them done before" in plan
    assert "1 run planned" in table and "Written:" in table
    lines = [line.split() for line in status.splitlines()]
    (counts,) = [line for line in lines if line[:1] == [name]]
    (headings,) = [line for line in lines if line[:1] == ["table"]]
    assert headings[1:3] == ["done", "missing"] and counts[1] == "1" and int(counts[2]) > 0
    with (place / "results" / "local" / "demo" / "tables" / f"{name}.csv").open() as file:
        rows = list(csv.reader(file))
    assert {row[0] for row in rows} >= set(labels)
