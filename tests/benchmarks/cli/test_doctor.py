"""The verb `doctor`: every obstacle is found and named with its remedy."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.cli import doctor
from benchmarks.cli.doctor import GIB, obstacles, usable_gpus, why_no_gpu
from benchmarks.cli.session import Session
from benchmarks.plan.cuda import Driver, Torch
from benchmarks.plan.machine import Machine, Place, probe
from benchmarks.plan.measurements import load_figures
from benchmarks.plan.networks import networks
from benchmarks.plan.workspace import ROOT
from datasets.registry import PreparedState
from tests.nullcuda import device

GPU = {"0: H100": 80 * GIB}
TORCH = Torch("2.11.0+cu130", (13, 0), seen=1)
HEALTHY = Machine(
    python=(3, 12),
    executable="/usr/bin/python3",
    system="Linux",
    torch=TORCH,
    driver=Driver((13, 0), "580.65", GPU),
    cards=1,
    hidden=False,
    cores=16,
    load=0.5,
    free_memory=100 * GIB,
    total_memory=128 * GIB,
    places=(Place(Path("/d"), 50 * GIB), Place(Path("/r"), 50 * GIB)),
    packages={"torch": ("2.11.0", "2.11.0+cu130"), "numpy": ("2.4.6", "2.4.6")},
    commit="abc1234",
    slurm=False,
    submitit=False,
)
FULL = Place(Path("/d"), GIB // 2)
LOCKED = Place(Path("/r"), 50 * GIB, "cannot write: Permission denied")
NO_TORCH = {"torch": ("2.11.0", None), "numpy": ("2.4.6", "2.4.6")}

# What is wrong -> the words that must be in the obstacle, and those in its remedy.
OBSTACLES = {
    "old python": ({"python": (3, 10)}, ["3.10", "3.11"], ["PYTHON="]),
    "no torch": ({"torch": None, "packages": NO_TORCH}, ["torch"], ["requirements.txt"]),
    "no numpy": ({"packages": {"numpy": ("2.4.6", None)}}, ["numpy"], ["requirements.txt"]),
    "no driver": ({"driver": None}, ["1 NVIDIA card", "driver"], ["install", "--gpus"]),
    "broken driver": (
        {"driver": Driver((13, 0), error="system has unsupported display driver (error 803)")},
        ["803"],
        ["nvidia-smi"],
    ),
    "invisible card": ({"driver": Driver((13, 0))}, ["1 NVIDIA card", "none"], ["nvidia-smi"]),
    "old driver": ({"driver": Driver((12, 4), "", GPU)}, ["12.4", "13.0"], ["update", "12.x"]),
    "CPU torch": (
        {"torch": Torch("2.11.0+cpu", None)},
        ["built for the CPU"],
        ["torch==2.11.0 "],
    ),
    "blind torch": ({"torch": replace(TORCH, seen=0)}, ["torch does not"], ["torch.cuda.init"]),
    "full disk": ({"places": (FULL, HEALTHY.places[1])}, ["/d", "full"], ["MSAM_DATA_DIR"]),
    "locked results": ({"places": (HEALTHY.places[0], LOCKED)}, ["/r", "denied"], ["--out"]),
    "no memory": ({"free_memory": GIB}, ["1.0 GiB"], ["memory"]),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_obstacle_is_named_with_its_remedy(name: str) -> None:
    changes, what, remedy = OBSTACLES[name]
    [found] = obstacles(replace(HEALTHY, **changes), {})
    assert all(word in found.what for word in what), found.what
    assert all(word in found.remedy for word in remedy), found.remedy


def test_all_obstacles_are_listed_at_once() -> None:
    broken = replace(HEALTHY, python=(3, 10), torch=None, places=(FULL, LOCKED), free_memory=0)
    assert len(obstacles(broken, {})) == 5


def test_damaged_data_is_an_obstacle_and_missing_data_is_none() -> None:
    states = {
        "avmnist": PreparedState("damaged", None, False, "labels.npy is too short"),
        "ave": PreparedState("missing", None, False, "no such folder"),
    }
    [found] = obstacles(HEALTHY, states)
    assert "avmnist" in found.what and "too short" in found.what
    assert "data prepare avmnist --force" in found.remedy


# Nothing stands in the way: runs on the CPU are what such a machine is for.
FINE = {
    "a GPU": ({}, True),
    "torch not asked in time": ({"torch": replace(TORCH, seen=None)}, True),
    "an older minor version": ({"torch": Torch("2.11.0+cu132", (13, 2), seen=1)}, True),
    "no tools for tests": ({"packages": {"pytest": ("9.2.0", None)}}, True),
    "a newer driver": ({"driver": Driver((14, 1), "", GPU)}, True),
    "no card": ({"driver": None, "cards": 0}, False),
    "a driver without a card": ({"driver": Driver((13, 0)), "cards": 0}, False),
    "hidden GPUs": ({"driver": Driver((13, 0)), "hidden": True}, False),
    "a torch for the CPU": ({"driver": None, "cards": 0, "torch": Torch("2.11", None)}, False),
    "memory that the system does not tell": ({"free_memory": 0, "total_memory": 0}, True),
}


@pytest.mark.parametrize("name", FINE)
def test_a_usual_machine_has_no_obstacle(name: str) -> None:
    changes, trains_on_gpu = FINE[name]
    machine = replace(HEALTHY, **changes)
    assert obstacles(machine, {}) == []
    assert bool(usable_gpus(machine)) == trains_on_gpu == (not why_no_gpu(machine))


def test_the_screen_shows_the_machine(monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.setattr(doctor, "probe", lambda results: HEALTHY)
    monkeypatch.setattr(doctor, "job_count", lambda wanted, where: 8)
    assert main(["doctor", "--profile", "demo", "--out", str(tmp_path)]) == 0
    screen = capsys.readouterr().out
    for words in ("3.12", "2.11.0+cu130", "580.65", "H100", "torch can use it", "16 cores", "/d"):
        assert words in screen, words
    assert "trains on the GPU (0: H100)" in screen and "8 runs at a time" in screen
    assert "nothing stands in the way" in screen
    assert len(screen.splitlines()) <= 30 and max(map(len, screen.splitlines())) < 200


def test_the_exit_status_says_that_something_is_in_the_way(monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.setattr(doctor, "probe", lambda results: replace(HEALTHY, places=(FULL, LOCKED)))
    monkeypatch.setattr(doctor, "job_count", lambda wanted, where: 8)
    assert main(["doctor", "--profile", "demo", "--out", str(tmp_path)]) == 1
    screen = capsys.readouterr().out
    assert screen.count("remedy:") == 2


@pytest.mark.parametrize("status", [0, 1])
def test_passed_tests_of_the_gpu_are_remembered(monkeypatch, status) -> None:
    remembered, called = [], []

    def run(words, cwd):
        called.append(words)
        return subprocess.CompletedProcess(words, status)

    monkeypatch.setattr(doctor.subprocess, "run", run)
    monkeypatch.setattr(doctor.measurements, "remember_gpu_tests", lambda: remembered.append(1))
    found = doctor.gpu_tests(HEALTHY, lambda text: None)
    assert called[0][4:6] == ["-m", "gpu"]
    assert (bool(found), len(remembered)) == ((False, 1), (True, 0))[status]


def test_tests_of_the_gpu_need_one(monkeypatch) -> None:
    monkeypatch.setattr(doctor.subprocess, "run", None)
    [found] = doctor.gpu_tests(replace(HEALTHY, driver=None), lambda text: None)
    assert "no CUDA driver" in found.what


def test_time_scales_the_published_figures_to_this_machine(monkeypatch, capsys, tmp_path) -> None:
    """Twice as slow in Joint-Train: twice the hours in every table."""
    monkeypatch.setattr(doctor, "probe", lambda results: HEALTHY)
    monkeypatch.setattr(doctor, "job_count", lambda wanted, where: 8)
    monkeypatch.setattr(Session, "prepare_stand_in", lambda self, names: None)  # one is enough
    published = load_figures()

    def hours(slowness: float) -> list[float]:
        def timed(network) -> float:
            key = (network.data, network.encoder, "late", doctor.REFERENCE)
            return slowness * published.seconds[key].value

        monkeypatch.setattr(doctor, "seconds_per_sample", timed)
        monkeypatch.setattr(doctor, "_hours", lambda runs, here: f"{_total(runs, here)} h")
        assert main(["doctor", "--profile", "demo", "--time", "--out", str(tmp_path)]) == 0
        lines = capsys.readouterr().out.splitlines()
        return [float(line.split()[1]) for line in lines if line.endswith(" h")]

    once, twice = hours(1.0), hours(2.0)
    assert len(once) >= 2 and all(value > 0 for value in once[:2])
    assert twice == pytest.approx([2 * value for value in once])


def _total(runs, figures) -> float:
    found = doctor.costs.estimates(runs, figures)
    published = doctor.costs.estimates(runs, load_figures())
    known = [estimate.seconds is not None for estimate in found]
    assert known == [estimate.seconds is not None for estimate in published]
    return sum(estimate.seconds for estimate in found if estimate.seconds is not None)


def test_a_step_is_timed_for_real() -> None:
    [small] = [n for n in networks()["steps_small"] if n.encoder == "small_cnn56"]
    assert 0 < doctor.seconds_per_sample(small) < 1


def test_doctor_starts_at_once_and_without_torch(tmp_path) -> None:
    code = (
        "import sys\nfrom benchmarks.__main__ import main\n"
        f"main(['doctor', '--profile', 'demo', '--out', {str(tmp_path)!r}])\n"
        "sys.exit('torch' in sys.modules)"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 20  # a second on an idle machine


def test_this_machine_is_described(tmp_path) -> None:
    machine = probe(tmp_path)
    assert machine.python == sys.version_info[:2]
    assert machine.torch.version.startswith("2.")
    assert machine.cores >= 1 and machine.total_memory > machine.free_memory > 0
    assert machine.places[1] == Place(tmp_path, machine.places[1].free)
    assert machine.packages["torch"][1] is not None


def test_a_folder_that_cannot_be_written_is_seen(tmp_path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert probe(blocked).places[1].problem


@pytest.fixture(scope="module")
def null_cuda(tmp_path_factory) -> Path:
    if reason := device.obstacle():
        pytest.skip(reason)
    return device.build(tmp_path_factory.mktemp("nullcuda"))


@pytest.mark.parametrize(
    ("controls", "version", "count", "reason"),
    [
        ({"devices": 2}, "13.0", 2, ""),
        ({"devices": 0}, "13.0", 0, "no GPU found"),
        ({"old_driver": 1}, "12.4", 1, "too old"),
    ],
)
def test_a_driver_is_asked(null_cuda, controls, version, count, reason) -> None:
    code = (
        "from benchmarks.plan.machine import probe\n"
        "from benchmarks.cli.doctor import why_no_gpu\n"
        "m = probe()\n"
        "print('.'.join(map(str, m.driver.version)), len(m.driver.memory), why_no_gpu(m), sep='|')"
    )
    done = device.run(null_cuda, [sys.executable, "-c", code], 60, **controls)
    found = done.stdout.splitlines()[-1].split("|")
    assert found[:2] == [version, str(count)] and reason in found[2], done.stdout
