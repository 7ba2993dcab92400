"""Real services for the tests in this folder: started here, on free ports and in temporary folders, and stopped after.

``make test-services`` installs them (PostgreSQL, SLURM, Chromium from Debian's packages) where the user is root. Where
one cannot be started, its tests are skipped and the reason is printed. No service outlives the tests, even when those
are killed: each is started with a signal that the system sends it at its parent's death.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

AS_ROOT = os.geteuid() == 0
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

SLURM_CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits until its old credential has expired, two minutes unless this says so.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MailProg=/bin/true
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
KillWait=5
ReturnToService=2
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES State=UP PriorityTier=1
PartitionName=urgent Nodes={host} State=UP PriorityTier=2
"""


def needs(program: str, *, root: bool = False) -> str:
    """The program's path; skips the test where it is not installed, or where ``root`` is needed and missing."""
    if root and not AS_ROOT:
        pytest.skip(f"{program} is started by root alone")
    found = shutil.which(program)
    if found is None:
        why = "make test-services installs it with apt-get" if AS_ROOT else "not root, so nothing was installed"
        pytest.skip(f"{program} is missing: {why}")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(ready: Callable[[], bool], what: str, log: Path, seconds: float = 60) -> None:
    """Wait for a service; where it does not come, fail with the end of its log."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            tail = log.read_text(errors="replace")[-3000:] if log.exists() else "no log"
            pytest.fail(f"{what} did not start in {seconds:.0f} s:\n{tail}")
        time.sleep(0.1)


def succeeds(*command: str | Path, env: dict[str, str] | None = None) -> bool:
    return subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


@contextmanager
def service(
    command: list[str | Path], log: Path, stop: str, user: str = "", env: dict[str, str] | None = None
) -> Iterator[None]:
    """A server in the foreground, as ``user`` where one is named; ended by the signal ``stop``, or killed."""
    become = ["--reuid", user, "--regid", user, "--clear-groups"] if user else []
    with log.open("a") as stream:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", stop, *become, "--", *command], stdout=stream, stderr=stream, env=env
        )
    try:
        yield
    finally:
        subprocess.run(["kill", f"-{stop}", str(process.pid)], check=False)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def service_folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder with a short path (sockets need one) that other users may enter."""
    with tempfile.TemporaryDirectory(prefix="steadyface-services-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def postgresql(service_folder: Path) -> Iterator[str]:
    """A PostgreSQL server with an empty database; its URL."""
    # Debian puts the server's programs outside the search path, a folder a version.
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    programs = versions[-1] if versions else Path(needs("initdb")).parent
    user = "postgres" if AS_ROOT else ""
    folder = service_folder / "postgresql"
    folder.mkdir()
    if user:
        shutil.chown(folder, user, user)
    log, port = service_folder / "postgresql.log", str(free_port())
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "steadyface", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True, capture_output=True, user=user or None, group=user or None, extra_groups=[] if user else None,
        cwd=folder,
    )  # fmt: skip
    options = ["-k", str(folder), "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    with service([programs / "postgres", "-D", data, *options], log, "INT", user):
        address = ["-h", "127.0.0.1", "-p", port, "-U", "steadyface"]
        wait_until(lambda: succeeds(programs / "pg_isready", *address), "PostgreSQL", log)
        yield f"postgresql://steadyface@127.0.0.1:{port}/postgres"


@pytest.fixture(scope="session")
def slurm(service_folder: Path) -> Iterator[dict[str, str]]:
    """A cluster of one node: `slurm_cluster`."""
    with slurm_cluster(service_folder / "slurm") as env:
        yield env


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """A cluster of one node with 4 slots; the environment in which sbatch, squeue and scontrol reach it.

    Partition ``main`` is the default; a job in ``urgent`` pre-empts those in ``main``, which are requeued.

    Args:
        folder: for the cluster's files, made here, in an `open_folder`.
    """
    munged, controller, node = (needs(name, root=True) for name in ("munged", "slurmctld", "slurmd"))
    host = socket.gethostname().split(".")[0]
    for part in (folder, folder / "state", folder / "spool"):
        part.mkdir(mode=0o755)
    key, config = folder / "munge.key", folder / "slurm.conf"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    ports = {"controller_port": free_port(), "node_port": free_port()}
    config.write_text(SLURM_CONF.format(host=host, folder=folder, **ports))
    env = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    env["SLURM_CONF"] = str(config)
    with ExitStack() as running:
        files = [f"--{what}-file={folder}/munge.{what}" for what in ("pid", "log", "seed")]
        socket_path = folder / "munge.socket"
        munge = [munged, "--foreground", f"--socket={socket_path}", f"--key-file={key}", *files]
        running.enter_context(service(munge, folder / "munge.log", "TERM"))
        wait_until(socket_path.exists, "munged", folder / "munge.log")
        running.enter_context(service([controller, "-D"], folder / "slurmctld.log", "TERM", env=env))
        running.enter_context(service([node, "-D", "-N", host], folder / "slurmd.log", "TERM", env=env))
        wait_until(lambda: node_is_idle(env), "SLURM", folder / "slurmctld.log")
        yield env
        subprocess.run(["scancel", "--user=root"], env=env, check=False)
        wait_until(lambda: not queue(env), "an empty queue", folder / "slurmctld.log")


def node_is_idle(env: dict[str, str]) -> bool:
    seen = subprocess.run(["sinfo", "-h", "-p", "main", "-o", "%T"], env=env, capture_output=True, text=True)
    return seen.stdout.strip() == "idle"


def queue(env: dict[str, str]) -> str:
    return subprocess.run(["squeue", "-h"], env=env, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium without a window, driven by Playwright, which downloads no browser of its own."""
    program = needs("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()
