"""What `tests.fuzz.many` found once, made small: one file for every mistake."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.fuzz.targets import targets
from tests.fuzz.verdict import complaint

TARGETS = {target.name: target for target in targets()}
DEEP = b"[" * 100_000


def flv_tag(kind: int, body: bytes) -> bytes:
    """A tag of a Flash video."""
    size = len(body).to_bytes(3, "big")
    return bytes([kind]) + size + bytes(7) + body + struct.pack(">I", 11 + len(body))


UNKNOWN_CODEC = flv_tag(9, b"\x1f" + bytes(20))
VIDEO = TARGETS["video"].content
FLV_START = b"FLV\x01\x05\x00\x00\x00\x09" + bytes(4)
FOUND = {
    "a stream without decoder": ("video", FLV_START + 3 * UNKNOWN_CODEC),
    "a stream that appears midway": ("video", VIDEO + VIDEO[13:] + UNKNOWN_CODEC),
    "a damaged gzip of sums": ("official sums packed", b"\x1f\x8b\x08\x00" + b"\xff" * 40),
    "an endless number of seconds": ("annotations", b"Dog&x&good&0&" + b"9" * 5000),
    "a short row": ("paper", b"row,avmnist:acc_mm\nMSAM\n"),
    "a long row": ("paper", b"row,avmnist:acc_mm\nMSAM,1,2\n"),
    "a column less": ("paper", b"x,avmnist:acc_mm\nMSAM,1\n"),
    "text behind a quote": ("paper", b'row,avmnist:acc_mm\n"MSAM"x,1\n'),
    "no percentage": ("paper", b"row,avmnist:acc_mm\nMSAM,nan\n"),
    "no text": ("paper", b"row,avmnist:acc_mm\n\xff,1\n"),
    "a deep record": ("record", DEEP),
    "a deep manifest": ("manifest", DEEP),
    "a deep curvature": ("curvature", DEEP),
    "a deep surface": ("surface", b"# " + DEEP + b"\nx,y,loss,accuracy\n"),
    "a deep configuration": ("config suites", b"[" * 20_000),
    "a manifest without arrays": ("manifest", TARGETS["manifest values"].pack({"dataset": "x"})),
    "a manifest of other fields": ("manifest", TARGETS["manifest values"].pack({"arrays": {}})),
    "an unfinished array header": (
        "predictions inside",
        TARGETS["predictions inside"].pack(b"\x93NUMPY\x01\x00\x06\x00{'a':" + b"\n"),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_mistake_that_was_found_stays_mended(name: str, tmp_path: Path) -> None:
    target, content = FOUND[name]
    assert not complaint(TARGETS[target], content, tmp_path)


@pytest.mark.parametrize("name", FOUND)
def test_none_of_these_files_is_taken_for_a_good_one(name: str, tmp_path: Path) -> None:
    target, content = TARGETS[FOUND[name][0]], FOUND[name][1]
    path = tmp_path / target.file
    path.write_bytes(content)
    with pytest.raises((ValueError, OSError)):
        target.read(path)
