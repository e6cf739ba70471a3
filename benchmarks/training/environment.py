"""Where a run happened: versions, hardware, commit."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import torch

from benchmarks.host import commit
from benchmarks.plan.cuda import cuda_driver, dotted


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Versions, the hardware that trained, and the commit of the code."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": platform.platform(terse=True),
        **accelerator(device),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        **commit(),
    }


@cache
def accelerator(device: torch.device) -> dict[str, Any]:
    """The name of the device; of a GPU also the versions of the driver, of CUDA and of cuDNN.

    Asked once, as a device that broke does not answer.
    """
    facts: dict[str, Any] = {"device": device_name(device)}
    if device.type == "cuda":
        if driver := cuda_driver():
            facts["driver"] = driver.release or f"for CUDA {dotted(driver.version)}"
        facts |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    return facts


def device_name(device: torch.device) -> str:
    """The accelerator's or the processor's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"
