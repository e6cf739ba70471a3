"""The verb `doctor`: what this machine has, what would run on it, and what stands in the way."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.cli.session import Say, Session, open_session
from benchmarks.executors.devices import job_count
from benchmarks.exit_status import Exit
from benchmarks.plan import costs, measurements, workspace
from benchmarks.plan.cuda import dotted, why_no_cuda
from benchmarks.plan.experiment import Experiment
from benchmarks.plan.machine import Machine, Place, probe
from benchmarks.plan.measurements import Figure, Figures
from benchmarks.plan.networks import Network, data_of, networks
from benchmarks.records.status import pending
from benchmarks.terminal import fitted
from datasets import registry
from datasets.errors import counted
from datasets.registry import PreparedState, loader_of

GIB = 2**30
LEAST_PYTHON = (3, 11)
LEAST_DISK, LEAST_MEMORY = 1 * GIB, 2 * GIB  # for the records of a table; for one small run
NOT_FOR_RUNS = {"pytest", "pytest-xdist", "hypothesis", "ruff"}  # but for the tests
INSTALL = "pip install -r requirements.txt (./reproduce.sh does it by itself)"


@dataclass(frozen=True)
class Obstacle:
    """Something that keeps runs from starting or from ending well, and what to do about it."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"  {self.what}\n    remedy: {self.remedy}"


def doctor(arguments: Namespace, say: Say) -> Exit:
    """Prints one screen about this machine; DIFFERS if something stands in the way."""

    def say_fitted(text: str) -> None:
        say(fitted(text))

    machine = probe(arguments.out)
    prepared = {
        name: registry.prepared_state(name, workspace.prepared_folder(name, stand_in=False))
        for name in registry.LOADERS
    }
    say_fitted("\n".join([*machine_lines(machine), *data_lines(prepared), "", "by default"]))
    session = open_session(arguments, lambda text: say_fitted(f"  {text}"))
    say_fitted("\n".join(default_lines(machine)))
    found = obstacles(machine, prepared)
    if arguments.gpu_tests:
        found += gpu_tests(machine, say_fitted)
    if arguments.time and machine.torch:
        say_fitted("\n".join(["", *time_lines(session)]))
        if machine.load > machine.cores:
            say_fitted(
                "  other programs were running meanwhile: on an idle machine, it takes less time"
            )
    if not found:
        say_fitted("\nnothing stands in the way")
        return Exit.FINE
    say_fitted("\n".join(["", "in the way", *map(str, found)]))
    return Exit.DIFFERS


# What there is


def machine_lines(machine: Machine) -> list[str]:
    """Two columns: a thing and what there is of it."""
    rows = {
        "python": f"{dotted(machine.python)}  {machine.executable}",
        "torch": _torch_words(machine),
        "driver": _driver_words(machine),
        "GPUs": ", ".join(_gpu_words(machine)) or "none",
        "CPU": f"{counted(machine.cores, 'core')}, {_busy_words(machine)}",
        "memory": f"{_gib(machine.free_memory)} free of {_gib(machine.total_memory)}",
        "data": _place_words(machine.places[0]),
        "results": _place_words(machine.places[1]),
        "code": f"commit {machine.commit}" if machine.commit else "not a git checkout",
        "packages": _package_words(machine),
        "Slurm": _slurm_words(machine),
    }
    return [machine.system, *(f"  {name:<9} {words}" for name, words in rows.items())]


def data_lines(prepared: Mapping[str, PreparedState]) -> list[str]:
    """The real data of each dataset."""
    how = "not prepared; ./reproduce.sh data sources {} says where it comes from"
    lines = {
        name: how.format(name) if state.state == "missing" else f"{state.state}: {state.detail}"
        for name, state in prepared.items()
    }
    return ["", "real data", *(f"  {name:<9} {words}" for name, words in lines.items())]


def default_lines(machine: Machine) -> list[str]:
    """Where runs would be trained without `--device` and `--jobs`, and why."""
    gpus = usable_gpus(machine)
    where = f"the GPU ({gpus[0]})" if gpus else f"the CPU: {why_no_gpu(machine)}"
    side_by_side = counted(job_count("auto", None if gpus else "cpu"), "run")
    lines = [f"  trains on {where}", f"  --jobs auto: {side_by_side} at a time"]
    if gpus and measurements.gpu_tests_passed():
        lines.append("  --capture auto, as the tests passed on this GPU")
    elif gpus:
        lines.append("  --capture off, until the tests passed on this GPU: doctor --gpu-tests")
    return lines


def usable_gpus(machine: Machine) -> list[str]:
    """The GPUs that torch can train on."""
    return list(machine.driver.memory) if machine.driver and not why_no_gpu(machine) else []


def why_no_gpu(machine: Machine) -> str:
    """Why torch cannot train on a GPU; empty if it can."""
    return why_no_cuda(machine.driver, machine.torch)


def _busy_words(machine: Machine) -> str:
    """How much of the CPU other programs take."""
    if machine.load < 0.5:
        return "idle"
    if machine.load < machine.cores:
        return f"about {machine.load:.0f} in use"
    waiting = f"{machine.load:.0f} programs share them"
    return f"all in use: {waiting}, and runs here take several times as long as on an idle machine"


def _torch_words(machine: Machine) -> str:
    torch = machine.torch
    if torch is None:
        return "not installed"
    built = f"built for CUDA {dotted(torch.cuda)}" if torch.cuda else "built for the CPU only"
    return f"{torch.version}, {built}"


def _driver_words(machine: Machine) -> str:
    driver = machine.driver
    if driver is None:
        return "none"
    release = f"{driver.release}, " if driver.release else ""
    problem = f"; {driver.error}" if driver.error else ""
    return f"{release}for CUDA {dotted(driver.version)} and older{problem}"


def _gpu_words(machine: Machine) -> list[str]:
    if machine.driver is None:
        return []
    seen = "torch can use it" if not why_no_gpu(machine) else "torch cannot use it"
    return [f"{name} ({_gib(size)}, {seen})" for name, size in machine.driver.memory.items()]


def _place_words(place: Place) -> str:
    problem = f", {place.problem}" if place.problem else ""
    return f"{_gib(place.free)} free  {place.path}{problem}"


def _package_words(machine: Machine) -> str:
    wrong = [
        f"{name} {found or 'missing'} (required: {wanted})"
        for name, (wanted, found) in machine.packages.items()
        if not same_release(found, wanted)
    ]
    return ", ".join(wrong) or "as in requirements.txt"


def same_release(found: str | None, wanted: str) -> bool:
    """Whether two versions are equal up to the local part, such as +cu130."""
    return found is not None and found.partition("+")[0] == wanted


def _slurm_words(machine: Machine) -> str:
    if not machine.slurm:
        return "no sbatch and srun here"
    return "--executor slurm works" if machine.submitit else "here, but submitit is not installed"


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


# What is in the way


def obstacles(machine: Machine, prepared: Mapping[str, PreparedState]) -> list[Obstacle]:
    """Everything that stands in the way, each with its remedy."""
    return [
        *_software_obstacles(machine),
        *_gpu_obstacles(machine),
        *_room_obstacles(machine),
        *(
            Obstacle(f"the prepared data of {name} is damaged: {state.detail}", _prepare(name))
            for name, state in prepared.items()
            if state.state == "damaged"
        ),
    ]


def _prepare(name: str) -> str:
    return f"./reproduce.sh data prepare {name} --force"


def _software_obstacles(machine: Machine) -> Iterable[Obstacle]:
    if machine.python < LEAST_PYTHON:
        needed = f"Python {dotted(machine.python)}; {dotted(LEAST_PYTHON)} or newer is needed"
        yield Obstacle(needed, "remove .venv and name a newer one: PYTHON=/path/to/python3")
    if machine.torch is None:
        yield Obstacle("torch is not installed", INSTALL)
    absent = {name for name, (_, found) in machine.packages.items() if found is None}
    if missing := sorted(absent - NOT_FOR_RUNS - {"torch"}):
        yield Obstacle(f"not installed: {', '.join(missing)}", INSTALL)


CHECK_DRIVER = "nvidia-smi should list the GPUs; if it fails too, reload or reinstall the driver"


def _gpu_obstacles(machine: Machine) -> Iterable[Obstacle]:
    """A GPU that cannot be used; without any GPU, runs on the CPU are what is wanted."""
    driver, torch = machine.driver, machine.torch
    cards = counted(machine.cards, "NVIDIA card")
    if driver is None:
        if machine.cards:
            remedy = "install NVIDIA's driver, or start the container with --gpus all"
            yield Obstacle(f"{cards} here, but no CUDA driver (libcuda.so.1)", remedy)
        return
    if driver.error:
        yield Obstacle(why_no_gpu(machine), CHECK_DRIVER)
    elif machine.cards and not driver.memory and not machine.hidden:
        yield Obstacle(f"{cards} here, but the CUDA driver sees none", CHECK_DRIVER)
    if not driver.memory or torch is None:
        return
    if torch.cuda is None:
        remedy = f"pip install torch=={torch.version.partition('+')[0]} from the CUDA index"
        yield Obstacle("a GPU is here, but torch was built for the CPU only", remedy)
    elif driver.version[0] < torch.cuda[0]:
        yield Obstacle(
            why_no_gpu(machine),
            f"update NVIDIA's driver, or install a torch built for CUDA {driver.version[0]}.x; "
            "--device cpu trains without the GPU",
        )
    elif torch.seen == 0:
        remedy = "python -c 'import torch; torch.cuda.init()' says why"
        yield Obstacle("the driver sees a GPU, but torch does not", remedy)


def _room_obstacles(machine: Machine) -> Iterable[Obstacle]:
    if machine.total_memory > 0 and machine.free_memory < LEAST_MEMORY:
        free = f"{_gib(machine.free_memory)} of memory are free; a run needs {_gib(LEAST_MEMORY)}"
        yield Obstacle(free, "end other programs, or go to a machine with more memory")
    data, results = machine.places
    moves = {
        data.path: "set MSAM_DATA_DIR to a folder elsewhere",
        results.path: "name another folder with --out",
    }
    for place in machine.places:
        if place.problem:
            remedy = f"give yourself the right to write there, or {moves[place.path]}"
            yield Obstacle(f"{place.path} cannot be written to: {place.problem}", remedy)
        if place.free < LEAST_DISK:
            full = f"the disk of {place.path} is full: {_gib(place.free)} free"
            yield Obstacle(full, f"free {_gib(LEAST_DISK)}, or {moves[place.path]}")


# Whether CUDA works

GPU_TESTS = ("tests/baselines", "tests/benchmarks/training")


def gpu_tests(machine: Machine, say: Say) -> list[Obstacle]:
    """Runs the tests that need a GPU and remembers that they passed; else what is in the way.

    They prove that no step waits for the device and that replayed steps train as plain ones do.
    """
    if why := why_no_gpu(machine):
        remedy = "see above, or leave out --gpu-tests"
        return [Obstacle(f"the tests of the GPU cannot run: {why}", remedy)]
    say("\ntests on the GPU")
    words = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    if subprocess.run([*words, *GPU_TESTS], cwd=workspace.ROOT).returncode:
        remedy = "train with --capture off and report the lines above"
        return [Obstacle("tests fail on the GPU", remedy)]
    measurements.remember_gpu_tests()
    say("passed: from now on runs on this machine replay steps as CUDA graphs by default")
    return []


# How long it takes

ROUNDS = 3
REFERENCE = "joint_train"  # is timed here; the other methods by their published ratios to it


def time_lines(session: Session) -> list[str]:
    """The hours of each table on this machine: a line each, after timing a few steps."""
    session.prepare_stand_in(session.config.datasets)
    missing = {name: _missing(name, session) for name in session.config.suites}
    needed = {(data_of(e), e.encoder) for runs in missing.values() for e in runs}
    published = measurements.load_figures()
    factors = {
        (network.data, network.encoder): _slowness(network, published)
        for several in networks().values()
        for network in several
        if (network.data, network.encoder) in needed
    }
    here = Figures(
        {
            key: Figure(figure.value * factors[key[:2]], "steps timed here")  # type: ignore[operator]
            for key, figure in published.seconds.items()
            if factors.get(key[:2])
        }
    )
    lines = [f"expected time of what is missing ({session.profile_name}), one run after the other"]
    return lines + [f"  {name:<9} {_hours(runs, here)}" for name, runs in missing.items()]


def _missing(suite: str, session: Session) -> list[Experiment]:
    cells = session.cells(suite)
    planned = [e for cell in cells for e in cell.experiments(session.profile.seeds)]
    return pending(planned, session.folders)


def _slowness(network: Network, published: Figures) -> float | None:
    """A step here over the same step as published; None if that was not published."""
    figure = published.seconds.get((network.data, network.encoder, "late", REFERENCE))
    return seconds_per_sample(network) / figure.value if figure else None


def seconds_per_sample(network: Network) -> float:
    """Median time of a step of Joint-Train on this machine, over its batch."""
    from benchmarks.bench.timing import Setting, Workload, interleaved  # imports torch
    from benchmarks.executors.devices import pick_device
    from benchmarks.training.numerics import cpu_threads

    device = pick_device(None)
    batch = loader_of(network.dataset).bench_batch_cpu if device.type == "cpu" else 64
    workload = Workload(**vars(network), batch=batch)
    method, data = workload.method(REFERENCE, "late", device), workload.random_batch(device)
    with cpu_threads(Experiment.threads):  # as many as a run has
        times = interleaved({"step": lambda: method.step(*data)}, Setting(device, ROUNDS))
    return median(times["step"]) / batch


def _hours(runs: Sequence[Experiment], figures: Figures) -> str:
    """Such as `117 runs, 3.2 h`; and how many of the runs have no figure."""
    if not runs:
        return "nothing is missing, or its data is not prepared"
    seconds = [estimate.seconds for estimate in costs.estimates(runs, figures)]
    known = [value for value in seconds if value is not None]
    lacking = len(seconds) - len(known)
    rest = f", and {counted(lacking, 'run')} without a published step time" if lacking else ""
    return f"{counted(len(runs), 'run')}, {sum(known) / 3600:.1f} h{rest}"
