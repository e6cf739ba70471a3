"""The device that runs train on, and how many runs fit on it side by side."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.plan.cuda import cuda_driver, has_cuda, installed_torch, why_no_cuda
from benchmarks.plan.measurements import best_packing
from datasets.store.system import core_count

if TYPE_CHECKING:
    import torch

# Generous estimates; a run that needs more is done again alone.
_CPU_RUN_BYTES, _CUDA_RUN_BYTES = 2 * 2**30, 12 * 2**30
_MOST, CORES_PER_CUDA_RUN = 8, 2


def pick_device(name: str | None) -> torch.device:
    """The named device; None means cuda if there is one.

    Raises ValueError if it does not exist, or if there is a GPU that torch cannot use: a sweep must
    not train on the CPU because the driver is too old.
    """
    import torch  # takes seconds, and the command line counts jobs without it

    if name is None:
        name = "cuda" if torch.cuda.is_available() or _is_unusable() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ValueError(f"--device is '{name}'; it must be cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        if _is_unusable():
            why = why_no_cuda(cuda_driver(), installed_torch(ask=False))
            raise ValueError(f"runs cannot start on the GPU: {why or NOT_SEEN}; {REMEDY}")
        count = torch.cuda.device_count()
        raise ValueError(f"--device is '{name}', but torch sees {count} CUDA devices")
    return device


NOT_SEEN = "the driver sees it, but torch does not"
REMEDY = "./reproduce.sh doctor says what to do; --device cpu trains without it"


def _is_unusable() -> bool:
    """Whether there is a GPU that torch, built with CUDA, does not see."""
    import torch

    driver = cuda_driver()
    seen = torch.version.cuda is None or torch.cuda.is_available()
    return not seen and driver is not None and bool(driver.memory)


def job_count(wanted: str, device: str | None, threads: int = 1, devices: int = 1) -> int:
    """`--jobs` as a number; ValueError if it is neither `auto` nor a whole number from 1 on.

    `auto` is at most eight: on a CPU as many runs of `threads` threads as there are cores, as small
    models gain more from runs than from threads; on each of `devices` CUDA devices that share the
    cores as many as its free memory holds, and not more than `bench --parts packing` found best.
    """
    if wanted != "auto":
        if not wanted.isdecimal() or int(wanted) < 1:
            raise ValueError(f"--jobs is '{wanted}'; it must be auto or a whole number from 1 on")
        return int(wanted)
    cores = core_count() // devices
    if device == "cpu" or (device is None and not has_cuda()):
        fitting = min(cores // threads, _free_bytes() // _CPU_RUN_BYTES)
    else:
        each = max(threads, CORES_PER_CUDA_RUN)
        fitting = min(cores // each, _free_cuda_bytes(device) // _CUDA_RUN_BYTES)
        fitting = min(fitting, best_packing() or _MOST)
    return max(1, min(fitting, _MOST))


def _free_bytes() -> int:
    """Free main memory, or an estimate of it; 0 if the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else _half_of_memory()


def _half_of_memory() -> int:
    """Where a system other than Linux tells its memory only; 0 if not even that."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (OSError, ValueError):
        return 0


def _free_cuda_bytes(device: str | None) -> int:
    """Free memory of the CUDA device; 0 if the driver's tool cannot tell."""
    number = int((device or "cuda").partition(":")[2] or "0")
    # CUDA counts the visible cards only, the driver's tool all of them.
    visible = list(filter(None, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")))
    card = visible[number].strip() if number < len(visible) else number
    words = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            [*words, f"--id={card}"], capture_output=True, text=True, check=True, timeout=30
        )
        return int(done.stdout.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0
