"""What this machine has: Python, torch, driver, GPUs, cores, memory, disk. Starts at once: torch is
never imported here, its files and the driver's library are asked instead."""

from __future__ import annotations

import ast
import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from benchmarks.plan.workspace import ROOT, data_folder
from benchmarks.records.files import Unwritable, check_writable

Version = tuple[int, int]


@dataclass(frozen=True)
class Driver:
    """The CUDA driver: the newest CUDA `version` it can run, its own `release`, and what it sees.

    `memory` holds the bytes of each GPU by its name and number; `error` is what it said if it
    could not start.
    """

    version: Version
    release: str = ""
    memory: Mapping[str, int] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Torch:
    """The installed torch: its version, the CUDA it was built for (None: the CPU only), and the
    number of GPUs it sees (None: it was not asked, or did not answer in time)."""

    version: str
    cuda: Version | None
    seen: int | None = None


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
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        load=os.getloadavg()[0],
        free_memory=free,
        total_memory=total,
        places=tuple(_place(path) for path in (data_folder(), results or ROOT / "results")),
        packages=_packages(ROOT / "requirements.txt"),
        commit=_commit(),
        slurm=bool(shutil.which("sbatch") and shutil.which("srun")),
        submitit=find_spec("submitit") is not None,
    )


_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE, also where CUDA_VISIBLE_DEVICES hides them all


def cuda_driver() -> Driver | None:
    """The CUDA driver as its own library describes it; None if there is no library."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    number = ctypes.c_int(0)
    library.cuDriverGetVersion(ctypes.byref(number))
    version = (number.value // 1000, number.value % 1000 // 10)
    release_file = Path("/sys/module/nvidia/version")
    release = release_file.read_text().strip() if release_file.exists() else ""
    if (error := library.cuInit(0)) == _NO_DEVICE:
        return Driver(version, release)
    if error:
        text = ctypes.c_char_p(b"")
        library.cuGetErrorString(error, ctypes.byref(text))
        return Driver(version, release, {}, f"{(text.value or b'').decode()} (error {error})")
    library.cuDeviceGetCount(ctypes.byref(number))
    return Driver(version, release, dict(_gpu(library, n) for n in range(number.value)))


def _gpu(library: ctypes.CDLL, number: int) -> tuple[str, int]:
    device, name, size = ctypes.c_int(0), ctypes.create_string_buffer(100), ctypes.c_size_t(0)
    library.cuDeviceGet(ctypes.byref(device), number)
    library.cuDeviceGetName(name, len(name), device)
    library.cuDeviceTotalMem_v2(ctypes.byref(size), device)
    return f"{number}: {name.value.decode()}", size.value


_ASK_SECONDS = 2


def installed_torch(ask: bool) -> Torch | None:
    """The installed torch; None without one. With `ask` it is asked how many GPUs it sees."""
    spec = find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return None
    values = _assigned(Path(spec.submodule_search_locations[0], "version.py"))
    built_for = values.get("cuda")
    cuda = _version(built_for) if built_for else None
    seen = _devices_of_torch() if ask else None
    return Torch(str(values.get("__version__", "unknown")), cuda, seen)


def _devices_of_torch() -> int | None:
    code = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            capture_output=True,
            text=True,
            timeout=_ASK_SECONDS,
        )
        return int(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None


def _assigned(path: Path) -> dict[str, object]:
    """The literals that a Python file assigns to names."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and isinstance(node.value, ast.Constant):
            found[target.id] = node.value.value
    return found


def _version(text: object) -> Version:
    major, minor = re.findall(r"\d+", str(text))[:2]
    return int(major), int(minor)


def _memory() -> tuple[int, int]:
    """Free and total main memory in bytes; zeros if the system does not tell."""
    table = Path("/proc/meminfo")
    text = table.read_text() if table.exists() else ""
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
        return Place(path, free, error.strerror)
    return Place(path, free)


def _packages(requirements: Path) -> dict[str, tuple[str, str | None]]:
    """{package: (required version, installed version or None)}."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    pinned = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    return {name: (wanted.strip(), _installed(name)) for name, wanted in pinned}


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str:
    """The commit of this checkout and whether files differ from it; empty without one."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + (", with changes" if _git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True, timeout=2
    )
    return done.stdout.strip()
