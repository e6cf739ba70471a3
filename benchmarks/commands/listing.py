"""The verb list: what the configuration names."""

from __future__ import annotations

from argparse import Namespace

from benchmarks.commands.session import Say
from benchmarks.config import load_config
from benchmarks.config_schema import Config


def listing(arguments: Namespace, say: Say) -> int:
    """Methods, datasets, tables and profiles with their labels."""
    config = load_config()
    groups = {
        **_methods_by_group(config),
        "datasets": {
            k: f"{d.label} ({', '.join(d.modalities)})" for k, d in config.datasets.items()
        },
        "tables": {
            k: f"{s.title}: {', '.join(row.label for row in s.rows)}"
            for k, s in config.suites.items()
        },
        "profiles": {k: p.about for k, p in config.profiles.items()},
    }
    for title, entries in groups.items():
        say(title)
        for name, about in entries.items():
            say(f"  {name:<12} {about}")
    return 0


def _methods_by_group(config: Config) -> dict[str, dict[str, str]]:
    """The rows of the tables under the paper's names and in its order, then the others."""
    rows = [row.method for suite in config.suites.values() for row in suite.rows]
    order = sorted(config.methods, key=lambda k: rows.index(k) if k in rows else len(rows))
    titles = {"table": "methods", "extension": "extensions", "control": "controls"}
    return {
        title: {
            k: f"{config.methods[k].label}: {config.methods[k].reference}"
            for k in order
            if config.methods[k].group == group
        }
        for group, title in titles.items()
    }
