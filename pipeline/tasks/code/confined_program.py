"""Runs a program that nobody has read, with as little power as the system lets a process give away.

Run by `sandbox.py` in a process of its own, as ``python -I confined_program.py FD``: it imports nothing of this
package. Standard input holds a request in JSON; to the descriptor FD goes ``ready`` with the protections in force,
then the request's secret word if the program ended by itself, or else what stopped it.

- rlimits: CPU time, memory, size of files, number of open files, no core dumps (setrlimit(2)).
- seccomp (Linux): no new processes, programs, sockets, signals to others, mounts, changed owners or permissions.
- Landlock (Linux 5.13): Python may be read, the working folder written, and nothing else of the file system.
"""

import contextlib
import ctypes
import json
import os
import platform
import sys
from collections.abc import Sequence

# Numbers of system calls on x86_64 and aarch64 (asm/unistd_64.h, asm-generic/unistd.h). None: not there.
DENIED: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "socket": (41, 198),
    "io_uring_setup": (425, 425),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "setrlimit": (160, 164),
    "prlimit64": (302, 261),
    "setpriority": (141, 140),
    "sched_setaffinity": (203, 122),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "mount": (165, 40),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "swapon": (167, 224),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
}
CLONE = (56, 220)
CLONE3 = 435
# Column of the numbers, and what the kernel calls the machine (linux/audit.h).
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

EPERM, ENOSYS = 1, 38
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, FILTER_MODE = 22, 38, 2
# linux/bpf_common.h and linux/seccomp.h
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER_AT, MACHINE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
OTHER_NUMBERS = 0x40000000  # of x32, a second set of numbers for the same calls on x86_64
A_THREAD = 0x00010000  # CLONE_THREAD

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT, LANDLOCK_VERSION, PATH_BENEATH = 444, 445, 446, 1, 1
READ_FILE, READ_DIR = 1 << 2, 1 << 3

LIBC = ctypes.CDLL(None, use_errno=True)


class Instruction(ctypes.Structure):
    """struct sock_filter."""

    _fields_ = [
        ("code", ctypes.c_uint16),
        ("yes", ctypes.c_uint8),
        ("no", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    ]


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(Instruction))]


class Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr."""

    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class Beneath(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def limit(seconds: int, memory: int, file_size: int) -> None:
    """memory, file_size: in bytes."""
    import resource

    for what, value in [
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ]:
        # macOS refuses some of them.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (value, value))


def no_processes() -> None:
    """By a limit, which counts threads too, and does not bind root."""
    import resource

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def filter_calls() -> bool:
    """Deny system calls, if the system can; see seccomp(2)."""
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        return False
    column, machine = MACHINES[platform.machine()]
    numbers = [number for name in DENIED if (number := DENIED[name][column]) is not None]
    checks = [(JUMP_AT_LEAST, OTHER_NUMBERS), *((JUMP_EQUAL, number) for number in numbers)]
    # Behind the checks stand: allow, deny, "there is no such call", and the question whether a thread is wanted.
    allow = 4 + 2 + len(checks)
    deny, missing, ask = allow + 1, allow + 2, allow + 3
    code = [
        (LOAD, 0, 0, MACHINE_AT),
        (JUMP_EQUAL, 1, 0, machine),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_EQUAL, ask - 5, 0, CLONE[column]),
        (JUMP_EQUAL, missing - 6, 0, CLONE3),  # the C library then takes the other clone
        *((kind, deny - (7 + place), 0, number) for place, (kind, number) in enumerate(checks)),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, ERROR | EPERM),
        (RETURN, 0, 0, ERROR | ENOSYS),
        (LOAD, 0, 0, FIRST_ARGUMENT_AT),
        (JUMP_BITS, 1, 0, A_THREAD),
        (RETURN, 0, 0, ERROR | EPERM),
        (RETURN, 0, 0, ALLOW),
    ]
    instructions = (Instruction * len(code))(*(Instruction(*line) for line in code))
    program = Program(len(code), instructions)
    return LIBC.prctl(PR_SET_SECCOMP, FILTER_MODE, ctypes.byref(program), 0, 0) == 0


def close_files(readable: Sequence[str], writable: str) -> bool:
    """Hide the file system but for some folders, if the system can; see landlock(7)."""
    if sys.platform != "linux":
        return False
    version = LIBC.syscall(LANDLOCK_CREATE, None, 0, LANDLOCK_VERSION)
    if version < 1:
        return False
    # What each version of it knows of: moving between folders, truncating, devices; TCP; signals and sockets.
    files = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    rules = Ruleset(files, 3 * (version >= 4), 3 * (version >= 6))
    ruleset = LIBC.syscall(
        LANDLOCK_CREATE, ctypes.byref(rules), ctypes.sizeof(rules) if version >= 6 else 16, 0
    )
    if version < 4:
        ruleset = LIBC.syscall(LANDLOCK_CREATE, ctypes.byref(rules), 8, 0)
    if ruleset < 0:
        return False
    for path, allowed in [*((folder, READ_FILE | READ_DIR) for folder in readable), (writable, files)]:
        with contextlib.suppress(OSError):
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = Beneath(allowed if os.path.isdir(path) else allowed & READ_FILE, folder)  # noqa: PTH112
            LIBC.syscall(LANDLOCK_ADD, ruleset, PATH_BENEATH, ctypes.byref(rule), 0)
            os.close(folder)
    done = LIBC.syscall(LANDLOCK_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return done


def confine(request: dict) -> list[str]:
    """Give away what can be given away; the names of the protections that are in force."""
    limit(request["seconds"], request["memory"], request["file_size"])
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    readable = {
        sys.prefix,
        sys.base_prefix,
        *filter(None, sys.path),
        "/usr/lib",
        "/lib",
        "/lib64",
        "/dev/urandom",
    }
    closed = close_files(sorted(readable), os.getcwd())  # noqa: PTH109
    filtered = filter_calls()
    if not filtered:
        no_processes()
    return ["limits", *["landlock"] * closed, *["seccomp"] * filtered]


def main(answer: int) -> None:
    request = json.load(sys.stdin)
    sys.stdin.close()
    os.write(answer, f"ready {' '.join(confine(request))}\n".encode())
    sys.argv = [""]
    try:
        exec(compile(request.pop("program"), "<program>", "exec"), {"__name__": "program"})
    except BaseException as error:  # noqa: BLE001 (also SystemExit: a program that leaves has not passed its tests)
        os.write(answer, f"{type(error).__name__}: {error}"[:500].encode(errors="replace"))
    else:
        os.write(answer, request["word"].encode())
    finally:
        # Neither threads nor what is registered to run at the end.
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
