"""Runs one server and makes sure that nothing of it outlives us.

    guard.py PARENT_PID STOP_SIGNAL GRACE_SECONDS COMMAND [ARGUMENT ...]

Prints the server's process id, then ends with the server. Stops the server when the parent
is gone, however it went, or when told by a signal. Whatever the server started and left
behind is adopted and killed too, whichever process group or session it moved to.
"""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOOK_EVERY = 0.5
WAKE = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

_LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True)


def main(parent: int, stop_signal: int, grace: float, command: list[str]) -> int:
    """Run the command until it ends, we get a signal to stop, or the parent is gone."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WAKE)
    if _LINUX:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    server = spawn(command)
    print(server, flush=True)
    os.close(1)

    deadline = None
    while (code := reap(server)) is None:
        told = wait() not in (None, signal.SIGCHLD)
        if deadline is None and (told or os.getppid() != parent):
            deadline = time.monotonic() + grace
            os.kill(server, stop_signal)
            os.kill(server, signal.SIGCONT)  # a stopped process would not hear the other one
        if deadline is not None and time.monotonic() > deadline:
            os.kill(server, signal.SIGKILL)
    kill_left_behind()
    return code


def wait() -> int | None:
    """The next signal, or None after a while."""
    if sys.platform == "linux":
        woken = signal.sigtimedwait(WAKE, LOOK_EVERY)
        return woken.si_signo if woken is not None else None
    time.sleep(LOOK_EVERY)
    return signal.sigwait(WAKE) if signal.sigpending() & WAKE else None


def spawn(command: list[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    os.dup2(2, 1)
    # If this guard itself is killed, the server goes with it.
    if _LINUX:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WAKE)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it; a child must not
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127)


def reap(server: int) -> int | None:
    """Collect the dead; return the server's exit code (128 + signal) once it has one."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == server:
            code = os.waitstatus_to_exitcode(status)
            code = code if code >= 0 else 128 - code


def kill_left_behind() -> None:
    """Kill all descendants: killing a child hands its own children to us."""
    while True:
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def children() -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rpartition(")")[2].split()[1]
        except OSError:  # it ended meanwhile
            continue
        if int(parent) == os.getpid():
            found.append(int(stat.parent.name))
    return found


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
