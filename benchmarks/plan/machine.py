"""What this machine has: Python, torch, driver, GPUs, cores, memory, disk. Starts at once: torch is
never imported here, its files and the driver's library are asked instead."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from benchmarks.host import commit
from benchmarks.plan.cuda import Driver, Torch, Version, cuda_driver, installed_torch
from benchmarks.plan.workspace import ROOT, data_folder
from benchmarks.records.files import Unwritable, check_writable
from datasets.store.system import core_count


@dataclass(frozen=True)
class Place:
    """A folder that runs write to: bytes free on its disk, and why it cannot be written to."""

    path: Path
    free: int
    problem: str = ""


@dataclass(frozen=True)
class Machine:
    """All that `doctor` shows. Memory in bytes; `load` is the mean number of busy processes in the
    last minute; `packages` maps each required package to (required, installed or None)."""

    python: Version
    executable: str
    system: str
    torch: Torch | None
    driver: Driver | None
    cards: int
    hidden: bool
    cores: int
    load: float
    free_memory: int
    total_memory: int
    places: tuple[Place, ...]
    packages: Mapping[str, tuple[str, str | None]]
    commit: str
    slurm: bool
    submitit: bool


def probe(results: Path | None = None) -> Machine:
    """Looks at this machine; takes under three seconds. `results` is where runs would be kept."""
    driver = cuda_driver()
    torch = installed_torch(ask=bool(driver and driver.memory))
    free, total = _memory()
    return Machine(
        python=sys.version_info[:2],
        executable=sys.executable,
        system=platform.platform(terse=True),
        torch=torch,
        driver=driver,
        cards=len(list(Path("/dev").glob("nvidia[0-9]*"))),
        hidden=os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1"),
        cores=core_count(),
        load=os.getloadavg()[0],
        free_memory=free,
        total_memory=total,
        places=tuple(_place(path) for path in (data_folder(), results or ROOT / "results")),
        packages=_packages(ROOT / "requirements.txt"),
        commit=_commit(),
        slurm=bool(shutil.which("sbatch") and shutil.which("srun")),
        submitit=find_spec("submitit") is not None,
    )


def _memory() -> tuple[int, int]:
    """Free and total main memory in bytes; zeros if the system does not tell."""
    table = Path("/proc/meminfo")
    try:
        text = table.read_text(encoding="utf-8")
    except OSError:
        text = ""
    sizes = {k: int(v) * 1024 for k, v in re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE)}
    return sizes.get("MemAvailable", 0), sizes.get("MemTotal", 0)


def _place(path: Path) -> Place:
    there = next(p for p in (path, *path.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    if not path.exists():
        writable = os.access(there, os.W_OK)
        return Place(path, free, "" if writable else f"{there} cannot be written to")
    try:
        check_writable(path)
    except Unwritable as error:
        return Place(path, free, error.strerror or str(error))
    return Place(path, free)


def _packages(requirements: Path) -> dict[str, tuple[str, str | None]]:
    """{package: (required version, installed version or None)}, also of the files it includes."""
    packages: dict[str, tuple[str, str | None]] = {}
    for line in requirements.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            packages |= _packages(requirements.parent / line.removeprefix("-r ").strip())
        elif "==" in line and not line.startswith("#"):
            name, _, wanted = line.partition("==")
            packages[name] = (wanted.strip(), _installed(name))
    return packages


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str:
    """The commit of this checkout and whether files differ from it; empty without one."""
    found = commit(seconds=3)
    if found["modified"] is None:
        return ""
    return found["commit"][:7] + (", with changes" if found["modified"] else "")
