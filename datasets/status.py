"""The state of a prepared folder, from its manifest and file sizes only (no torch, no numpy)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from datasets.errors import DataError
from datasets.known import loader_of
from datasets.label_noise import noisy_fingerprint, taken_from


@dataclass(frozen=True)
class PreparedState:
    """`fingerprint` is that of the loaded data with the options asked for; None unless prepared."""

    state: Literal["prepared", "missing", "damaged"]
    fingerprint: str | None
    stand_in: bool
    detail: str


def prepared_state(
    name: str, folder: Path, options: Mapping[str, Any] | None = None
) -> PreparedState:
    """Whether `folder` can be loaded; raises DataError for a wrong name or option only."""
    loader, folder = loader_of(name), Path(folder)
    percent, others = taken_from(options or {})
    if not folder.exists():
        return PreparedState("missing", None, False, f"no {folder}; {loader.remedy()}")
    try:
        manifest = loader.manifest(folder)
    except DataError as error:
        return PreparedState("damaged", None, False, str(error))
    problems = manifest.file_problems(folder)
    if problems:
        detail = f"{folder}: {'; '.join(problems)}; {loader.remedy(manifest.stand_in)}"
        return PreparedState("damaged", None, manifest.stand_in, detail)
    identity = noisy_fingerprint(loader.fingerprint(manifest, others), percent)
    kind = "stand-in data" if manifest.stand_in else "the published data"
    sizes = (manifest.total_bytes(), loader.device_bytes(manifest, others))
    on_disk, on_device = (f"{size / 1e6:,.1f} MB" for size in sizes)
    detail = f"{kind}, {on_disk} on disk, {on_device} on the device, made {manifest.created}"
    return PreparedState("prepared", identity, manifest.stand_in, detail)


def fingerprint(name: str, folder: Path, options: Mapping[str, Any]) -> str:
    """The `Dataset.fingerprint` that loading would give; raises DataError if not prepared."""
    state = prepared_state(name, folder, options)
    if state.fingerprint is None:
        raise DataError(state.detail)
    return state.fingerprint
