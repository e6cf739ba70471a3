"""Compiles the null CUDA device and runs commands on it.

`python -m tests.nullcuda.device COMMAND ...` runs a command by hand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# The files that include one another; torch's wheels bring both.
HEADERS = ("cuda_runtime_api.h", "crt/host_defines.h")


def obstacle() -> str | None:
    """Why the null device cannot be built here, or None if it can."""
    if sys.platform != "linux":
        return "the null device replaces CUDA's libraries by LD_PRELOAD, which needs Linux"
    if _compiler() is None:
        return "the null device needs a C compiler (cc)"
    torch = find_spec("torch")
    folders = torch.submodule_search_locations if torch else ()
    if not any(Path(folder, "lib", "libtorch_cuda.so").exists() for folder in folders):
        return "the null device needs a torch that was built with CUDA"
    if absent := [name for name in HEADERS if _header_folder(name) is None]:
        return f"the null device needs CUDA's headers; not found: {', '.join(absent)}"
    return None


def build(folder: Path) -> Path:
    """Compiles the device into `folder`, in under a second, and returns it."""
    shared = [_compiler(), "-O1", "-shared", "-fPIC", "-fvisibility=hidden"]
    shared += ["-Wno-builtin-declaration-mismatch"]
    for name in HEADERS:
        shared += ["-I", str(_header_folder(name))]
    libraries = {
        "libnullcuda.so": ["runtime.c", "libraries.c"],
        "libcuda.so.1": ["driver.c"],
    }
    for library, files in libraries.items():
        sources = [str(HERE / name) for name in files]
        subprocess.run([*shared, *sources, "-o", str(folder / library), "-lpthread"], check=True)
    return folder


def environment(folder: Path, **controls: object) -> dict[str, str]:
    """The variables that put a command on the device in `folder`.

    `controls` are those of runtime.c in small letters, without `NULLCUDA_`.
    """
    path = os.pathsep.join(filter(None, (str(HERE / "site"), str(ROOT), os.getenv("PYTHONPATH"))))
    return {
        **{k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"},
        "LD_PRELOAD": str(folder / "libnullcuda.so"),
        "LD_LIBRARY_PATH": str(folder),  # for the driver, which is opened by its name
        "NULLCUDA": str(folder / "libnullcuda.so"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": path,
        **{f"NULLCUDA_{name.upper()}": str(value) for name, value in controls.items()},
    }


def run(
    folder: Path, words: Sequence[str], seconds: float, **controls: object
) -> subprocess.CompletedProcess[str]:
    """Runs a command on the device in `folder` for `seconds` at most; its output is text."""
    return subprocess.run(
        words,
        cwd=ROOT,
        env=environment(folder, **controls),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
    )


def _compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")


def _header_folder(name: str) -> Path | None:
    """The folder of the installed packages from which `name` can be included."""
    packages = Path(sysconfig.get_path("purelib"))
    for package in ("nvidia", "triton"):
        for path in sorted((packages / package).rglob(Path(name).name)):
            if path.as_posix().endswith(f"/{name}"):
                return path.parents[len(Path(name).parts) - 1]
    return None


if __name__ == "__main__":
    if reason := obstacle():
        sys.exit(f"error: {reason}")
    with tempfile.TemporaryDirectory() as place:
        variables = environment(build(Path(place)))
        sys.exit(subprocess.run(sys.argv[1:], env=variables).returncode)
