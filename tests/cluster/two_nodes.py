"""A real Slurm cluster of two nodes on this machine: a controller and two node daemons that speak over loopback.

Everything of it (configuration, keys, ports, logs) is its own, so that any number of them can run side by side, also
beside a Slurm or munge that the machine has. Debian: apt-get install --no-install-recommends slurm-wlm munge
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

PROGRAMS = ("setpriv", "munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")
NODES = ("n1", "n2")
# Credentials are short-lived, because a job that is queued again waits until those of before have expired.
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=1000,bf_interval=1
SlurmdTimeout=30
KillWait=5
ReturnToService=2
MpiDefault=none
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 RealMemory=1000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=1000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Why Slurm cannot run here; empty where it can."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"SLURM IS NOT TESTED: {', '.join(missing)} not installed (apt-get install slurm-wlm munge)"
    return "" if os.geteuid() == 0 else "SLURM IS NOT TESTED: its daemons need root"


class Cluster:
    """folder: must not have a long path, as munge's socket is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
        }
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, *words: str) -> str:
        """A command of Slurm's, and what it prints."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout.strip()

    @contextlib.contextmanager
    def running(self) -> Iterator["Cluster"]:
        host = socket.gethostname().partition(".")[0]
        text = CONFIGURATION.format(host=host, folder=self.folder, ports=_free_ports(3))
        (self.folder / "slurm.conf").write_text(text)
        for name in ("state", *NODES):
            (self.folder / name).mkdir()
        try:
            self._start_munge()
            self._start("slurmctld", "slurmctld", "-D")
            for node in NODES:
                self.start_node(node)
            self.wait_for(lambda: self.states() == ["idle", "idle"])
            yield self
        finally:
            with contextlib.suppress(AssertionError, subprocess.SubprocessError):
                self.run("scancel", "--user=root")
                self.wait_for(lambda: not self.run("squeue", "--noheader"), 10)
            for daemon in reversed(self._daemons.values()):
                daemon.terminate()
            for daemon in self._daemons.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    daemon.wait(10)
                daemon.kill()

    def start_node(self, node: str) -> None:
        self._start(node, "slurmd", "-D", "-N", node)

    def kill_node(self, node: str) -> None:
        """Its daemon and everything that it has started, at once, as when power fails."""
        daemon = self._daemons.pop(node)
        started = _processes_with(f"SLURMD_NODENAME={node}", self.environment["SLURM_CONF"])
        # First who would report the end of the others.
        above = {parent for number in started if (parent := _parent(number, "slurmstepd"))}
        for number in (daemon.pid, *above, *started):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        daemon.wait(10)

    def states(self) -> list[str]:
        """Of the nodes, in their order."""
        return self.run("sinfo", "--noheader", "-N", "--format=%t").split()

    def jobs(self) -> dict[str, str]:
        """Job -> state, of those in the queue."""
        lines = self.run("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def wait_for(self, condition: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            logs = "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))
            assert time.monotonic() < end, f"waited too long; {self.jobs()}\n{logs}"
            time.sleep(0.1)

    def _start(self, name: str, *words: str) -> None:
        # None of them outlives this process, however that ends.
        self._daemons[name] = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / f"{name}.stderr").open("wb"),
            start_new_session=True,
        )

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = {"key": "key", "socket": "socket", "pid": "pid", "log": "log", "seed": "seed"}
        options = [
            f"--{name}{'' if name == 'socket' else '-file'}={self.folder}/munge.{file}"
            for name, file in files.items()
        ]
        self._start("munge", "munged", "--foreground", "--force", *options)
        self.wait_for((self.folder / "munge.socket").exists, 20)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _processes_with(*variables: str) -> Sequence[int]:
    """Processes whose environment says all of this."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            content = entry.read_bytes()
            if all(text.encode() in content for text in variables):
                found.append(int(entry.parent.name))
    return found


def _parent(process: int, name: str) -> int | None:
    """The parent of a process, if it has this name."""
    with contextlib.suppress(OSError):
        parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        if Path(f"/proc/{parent}/comm").read_text().strip() == name:
            return parent
    return None
