"""The verb `list`: what there is, and all that the configuration and the code say of one entry."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from benchmarks.cli.session import Say
from benchmarks.configs.load import load_config, lookup
from benchmarks.configs.schema import (
    Config,
    DatasetConfig,
    MethodConfig,
    ProfileConfig,
    Row,
    SuiteConfig,
)
from benchmarks.exit_status import Exit
from benchmarks.host import ROOT
from benchmarks.plan import workspace
from benchmarks.plan.hyperparameters import declared
from benchmarks.terminal import HEADINGS, definitions, grid, styled, wrapped
from datasets import registry
from datasets.errors import counted

TITLES = {"table": "methods", "extension": "extensions", "control": "controls"}
_NAMES = {**HEADINGS, r"^  [a-z]\w*(?=  |\n)": "cyan"}


def listing(arguments: Namespace, say: Say) -> Exit:
    """Methods, datasets, tables and profiles with their labels, or one of them in full."""
    config = load_config()
    say(_one(config, arguments.name) if arguments.name else _everything(config))
    return Exit.FINE


def _everything(config: Config) -> str:
    groups = {
        **_methods_by_group(config),
        "datasets": {
            k: f"{d.label} ({', '.join(d.modalities)})" for k, d in config.datasets.items()
        },
        "tables": {
            k: f"{s.title}: {counted(len(s.rows), 'row')}" for k, s in config.suites.items()
        },
        "profiles": {k: p.about for k, p in config.profiles.items()},
    }
    width = 2 + max(len(name) for entries in groups.values() for name in entries)
    lines = []
    for title, entries in groups.items():
        lines += [f"{title}:", *definitions(entries, width=width), ""]
    lines.append("One of them in full: ./reproduce.sh list NAME")
    return styled("\n".join(lines), _NAMES)


def _methods_by_group(config: Config) -> dict[str, dict[str, str]]:
    """The rows of the tables under the paper's names and in its order, then the others."""
    rows = [row.method for suite in config.suites.values() for row in suite.rows]
    order = sorted(config.methods, key=lambda k: rows.index(k) if k in rows else len(rows))
    return {
        title: {
            k: f"{config.methods[k].label}: {config.methods[k].reference}"
            for k in order
            if config.methods[k].group == group
        }
        for group, title in TITLES.items()
    }


def _one(config: Config, name: str) -> str:
    """Everything about the entry of this name; ValueError with the nearest one if there is none."""
    kinds = {
        "method": (config.methods, _method),
        "dataset": (config.datasets, _dataset),
        "table": (config.suites, _table),
        "profile": (config.profiles, _profile),
    }
    found = [
        styled("\n".join([f"{kind} {name}:", *describe(config, name, entries[name])]), _NAMES)  # type: ignore[index, operator]
        for kind, (entries, describe) in kinds.items()
        if name in entries  # type: ignore[operator]
    ]
    if not found:
        lookup("entry", name, {n: n for entries, _ in kinds.values() for n in entries})  # type: ignore[attr-defined]
    return "\n\n".join(found)


def _method(config: Config, name: str, method: MethodConfig) -> list[str]:
    code = declared(name)
    suites = [k for k, s in config.suites.items() if name in [row.method for row in s.rows]]
    facts = {
        "label": method.label,
        "reference": method.reference,
        "what it does": code.about,
        "file": str(code.path.relative_to(ROOT)),
        "rows of": ", ".join(suites) or "no table; ./reproduce.sh run trains it",
        "cannot train": "; ".join(code.refuses),
    }
    lines = definitions({k: v for k, v in facts.items() if v})
    rows = [
        [each.name, _used(method.params.get(each.name), each.default), each.default, each.allowed]
        for each in code.hyperparameters
    ]
    if not rows:
        return [*lines, "", "It has no hyperparameters."]
    lines += ["", "hyperparameters (run --set NAME=VALUE changes one):"]
    lines.append(grid(["name", "in the tables", "default", "allowed"], rows, "lwlw", {}))
    sources = {k: str(entry["source"]) for k, entry in method.params.items()}
    lines += ["", "sources of the values in the tables:", *definitions(sources)] if sources else []
    return lines + _grid(config, method)


def _used(entry: Mapping[str, Any] | None, default: str) -> str:
    """The value that the tables use, and other ones that some datasets have."""
    if entry is None:
        return default
    others = [f"{dataset}: {_value(v)}" for dataset, v in entry.get("datasets", {}).items()]
    return "; ".join([_value(entry["value"]), *others])


def _value(value: Any) -> str:
    """A value as YAML writes it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_value(v)}" for k, v in value.items()) + "}"
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def _grid(config: Config, method: MethodConfig) -> list[str]:
    """What the verb `tune` chooses among."""
    if method.follows:
        return ["", f"tune: follows the choice of {config.methods[method.follows].label}"]
    if not method.grid:
        return ["", "tune: no grid, nothing is chosen"]
    values = ", ".join(map(str, method.grid.values))
    text = f"tune chooses {method.grid.parameter} among {values} ({method.grid.source})"
    return ["", wrapped(text)]


def _dataset(config: Config, name: str, dataset: DatasetConfig) -> list[str]:
    loader = registry.loader_of(name)
    spec = loader.spec_of(stand_in=False)
    shapes = [f"{m} {' x '.join(map(str, shape))}" for m, shape in spec.shapes.items()]
    real = registry.prepared_state(name, workspace.prepared_folder(name, stand_in=False))
    facts = {
        "label": dataset.label,
        "modalities": ", ".join(shapes),
        "classes": str(spec.classes),
        "encoders": ", ".join(f"{size}: {net}" for size, net in dataset.encoders.items()),
        "published protocol": f"reports {dataset.published}",
        "real data": "not prepared" if real.state == "missing" else f"{real.state}: {real.detail}",
    }
    rows = [
        [option, str(dataset.options.get(option, values[0])), ", ".join(map(str, values))]
        for option, values in loader.options.items()
    ]
    rows += [
        [option, str(value), f"see datasets/{name}/loader.py"]
        for option, value in dataset.options.items()
        if option not in loader.options
    ]
    return [
        *definitions(facts),
        "",
        "options (run --set NAME=VALUE changes one; --protocol the protocol):",
        grid(["name", "in the tables", "allowed"], rows, "llw", {}),
        "",
        f"Raw files and licences: ./reproduce.sh data sources {name}",
    ]


def _table(config: Config, name: str, suite: SuiteConfig) -> list[str]:
    facts = {
        "title": suite.title,
        "source": "a table of the paper" if suite.source == "paper" else "ours",
        "fusion": suite.fusion,
        "datasets": ", ".join(d.label for d in config.datasets.values()),
    }
    rows = [[row.label, row.method, _settings(row)] for row in suite.rows]
    return [
        *definitions(facts),
        "",
        grid(["row", "method", "settings"], rows, "wlw", {}),
        "",
        f"Train and show it: ./reproduce.sh {name}",
    ]


def _settings(row: Row) -> str:
    words = [f"only {', '.join(row.modalities)}"] * bool(row.modalities)
    return "; ".join([*words, *(f"{k} {_value(v)}" for k, v in row.changes.items())])


def _profile(config: Config, name: str, profile: ProfileConfig) -> list[str]:
    facts = {"about": profile.about}
    facts |= {
        key.replace("_", " "): _value(value)
        for key, value in vars(profile).items()
        if key != "about" and value not in (None, {}, False)
    }
    verb = "tune" if name in config.tuning_profiles else "table1"
    return [*definitions(facts), "", f"Train with it: ./reproduce.sh {verb} --profile {name}"]
