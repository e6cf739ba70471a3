"""What CUDA there is: the driver, its GPUs, and whether the installed torch can use them.

Starts at once: torch is never imported here, its files and the driver's library are asked instead.
"""

from __future__ import annotations

import ast
import ctypes
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

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


def has_cuda() -> bool:
    """Whether there is a GPU that the installed torch can train on."""
    return not why_no_cuda(cuda_driver(), installed_torch(ask=False))


def why_no_cuda(driver: Driver | None, torch: Torch | None) -> str:
    """Why torch cannot train on a GPU; empty if it can."""
    if driver is None:
        return "no CUDA driver found"
    if driver.error:
        return f"the CUDA driver does not start: {driver.error}"
    if not driver.memory:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1")
        return "CUDA_VISIBLE_DEVICES hides every GPU" if hidden else "no GPU found"
    if torch is None or torch.cuda is None:
        return "torch was built without CUDA"
    if driver.version[0] < torch.cuda[0]:
        known, needed = dotted(driver.version), dotted(torch.cuda)
        return (
            f"the CUDA driver is too old: it runs CUDA {known}, torch was built for CUDA {needed}"
        )
    return "torch sees no GPU" if torch.seen == 0 else ""


def dotted(version: Version) -> str:
    """Such as 12.4."""
    return ".".join(map(str, version))


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
    found: dict[str, object] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
            found[target.id] = value.value
    return found


def _version(text: object) -> Version:
    major, minor = re.findall(r"\d+", str(text))[:2]
    return int(major), int(minor)
