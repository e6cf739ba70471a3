"""A Slurm cluster of this machine alone, for as long as a command runs:
`python -m tests.slurm.cluster COMMAND ...`.

Needs Debian's packages slurm-wlm and munge. All it writes lies in one folder, nothing of an
installed cluster is touched, and its daemons are children of this process.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
CORES = 4  # more than the machine may have: tiny runs do not mind
_PATIENCE_SECONDS = 30

CONFIGURATION = """
ClusterName=msam-test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MpiDefault=none
ReturnToService=2
KillWait=3
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why no cluster can be started here; empty where it can."""
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    absent = [name for name in PROGRAMS if shutil.which(name, path=search) is None]
    return f"no {', '.join(absent)} (Debian: slurm-wlm, munge)" if absent else ""


@contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """A running cluster; yields the environment in which Slurm's commands reach it.

    Raises TimeoutError, with the end of the daemons' logs, if it does not come up.
    """
    folder.chmod(0o700)
    _configure(folder)
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    environment = {**os.environ, "PATH": path, "SLURM_CONF": str(folder / "slurm.conf")}
    with ExitStack() as stack:
        for words in (_munged(folder), ["slurmctld", "-D", "-i"], ["slurmd", "-D"]):
            stack.enter_context(_daemon(words, folder, environment))
            if words[0] == "munged":
                _wait(lambda: (folder / "munge.socket").exists(), folder)
        _wait(lambda: "IDLE" in node_state(environment), folder)
        try:
            yield environment
        finally:
            slurm(environment, "scancel", "--user", getpass.getuser())
            _wait(lambda: not slurm(environment, "squeue", "--noheader"), folder)


def node_state(environment: dict[str, str]) -> str:
    """The state of the node, such as IDLE or DOWN; empty while no controller answers."""
    done = slurm(environment, "scontrol", "--oneliner", "show", "node")
    return done.partition("State=")[2].partition(" ")[0]


def slurm(environment: dict[str, str], *words: str) -> str:
    """What one of Slurm's commands prints."""
    return subprocess.run(words, env=environment, capture_output=True, text=True).stdout


def host() -> str:
    """The name of the node."""
    return socket.gethostname().partition(".")[0]


def _configure(folder: Path) -> None:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    values = {"host": host(), "user": getpass.getuser(), "folder": folder, "cores": CORES}
    (folder / "slurm.conf").write_text(CONFIGURATION.format(ports=_free_ports(2), **values))


def _munged(folder: Path) -> list[str]:
    files = {"socket": "socket", "key-file": "key", "pid-file": "pid", "seed-file": "seed"}
    named = [f"--{option}={folder}/munge.{end}" for option, end in files.items()]
    return ["munged", "--foreground", "--force", *named]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _daemon(words: Sequence[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with (folder / f"{words[0]}.out").open("w") as log:
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(ready, folder: Path) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while not ready():
        if time.monotonic() > end:
            said = [f"{path.name}: {path.read_text()[-1000:]}" for path in folder.glob("*.out")]
            raise TimeoutError("\n".join(["the cluster does not come up", *said]))
        time.sleep(0.2)


def main(words: Sequence[str]) -> int:
    """Runs a command beside a cluster; its exit status."""
    if why := missing():
        sys.stderr.write(f"error: {why}\n")
        return 2
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as environment:
        return subprocess.run(words, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
