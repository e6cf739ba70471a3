"""YAML read safely: no objects are built, no key may stand twice, nothing refers to another part.

A few lines of references to references stand for more than any memory holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

# What PyYAML raises, also for values that are no number or day although they look like one.
_BROKEN = (
    OSError,
    ValueError,
    LookupError,
    ArithmeticError,
    AttributeError,
    TypeError,
    RecursionError,
    yaml.YAMLError,
)


def read_mapping(path: Path) -> dict[Any, Any]:
    """The mapping that a file holds; ValueError names the file and what is wrong with it."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except _BROKEN as error:
        raise ValueError(f"{path.name} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} must be a mapping of names to entries")
    return content


class _UniqueKeys(yaml.SafeLoader):
    """The safe loader, which refuses a key that stands twice instead of taking the last."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(
                f"*{self.peek_event().anchor} refers to another part; write it out"
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [str(key.value) for key, _ in node.value]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise yaml.YAMLError(f"{', '.join(twice)} stands twice, {node.start_mark}")
        return super().construct_mapping(node, deep)
