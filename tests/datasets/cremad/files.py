"""Small CREMA-D releases for the tests, cut out of the generated one."""

from __future__ import annotations

import shutil
from pathlib import Path

from datasets.cremad.loader import Cremad
from datasets.cremad.prepare import Release, prepare_release
from datasets.cremad.spec import KINDS, LABELS
from datasets.cremad.stand_in import write_lists
from datasets.loader import PrepareReport
from datasets.spec import silent

SMALL = Release(size=(32, 43), image_size=28, identity={"generated": "test"}, stand_in=True)
TRAIN = [f"{actor}_DFA_{label}_XX" for actor in (1001, 1002, 1003) for label in LABELS]
TEST = [f"1001_IEO_{label}_XX" for label in LABELS]


def cut_out(source: Path, folder: Path) -> Path:
    """The 24 clips of TRAIN and TEST with their lists, in the official layout."""
    for kind, name in KINDS.items():
        (folder / name).mkdir(parents=True)
        for clip in TRAIN + TEST:
            shutil.copy(source / name / f"{clip}.{kind}", folder / name)
    write_lists(folder, TRAIN, TEST)
    return folder


def file_of(raw: Path, clip: str, kind: str) -> Path:
    return raw / KINDS[kind] / f"{clip}.{kind}"


def prepared(raw: Path, folder: Path, processes: int = 1) -> PrepareReport:
    """Prepares the small release."""
    manifest = prepare_release([raw], folder, SMALL, processes, silent)
    return PrepareReport(True, folder, manifest, Cremad().notes(manifest.facts))
