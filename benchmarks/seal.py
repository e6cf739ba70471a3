"""A checksum inside a JSON file, so that a record with one flipped digit is no record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_KEY = '"sha256": "'
_DIGITS = 64


def sealed(content: Mapping[str, Any]) -> str:
    """`content` as readable JSON with the checksum of all the rest; NaN raises ValueError."""
    text = json.dumps({**content, "sha256": ""}, indent=1, allow_nan=False) + "\n"
    head, key, tail = text.rpartition(_KEY)
    return head + key + _checksum(head, tail) + tail


def is_sealed(text: str) -> bool:
    """Whether there is a checksum, and it fits; ValueError if there is one that does not fit."""
    head, key, tail = text.rpartition(_KEY)
    if not key:
        return False
    if tail[:_DIGITS] != _checksum(head, tail[_DIGITS:]):
        raise ValueError("its checksum does not fit its content")
    return True


def _checksum(head: str, tail: str) -> str:
    return hashlib.sha256(f"{head}{_KEY}{tail}".encode()).hexdigest()
