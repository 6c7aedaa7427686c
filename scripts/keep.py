"""Keep one program of the Procfile running: `python -m scripts.keep NAME`

The supervisor (honcho) ends everything as soon as one program ends, which is right for a mistake in the
settings and wrong for a worker that the kernel killed. So each program gets a keeper: it starts the program
again after a crash, passes a request to end on to the program alone (not to its children, who would drop what
they hold), kills what does not end in time, and ends the program too when the supervisor itself is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from honcho.environ import parse_procfile

from scripts.processes import is_alive

GRACE_SECONDS = 4.0  # honcho kills after 5
SHORT_LIFE_SECONDS = 10.0
CRASHES_IN_A_ROW = 4


class Keeper:
    """One program in a process group of its own, and the processes whose end is its end."""

    def __init__(self, name: str, command: str, watched: list[int]) -> None:
        self.name = name
        # Should even the keeper be killed, the kernel ends the program.
        self.command = ["setpriv", "--pdeathsig", "TERM", "sh", "-c", f"exec {command}"]
        self.watched = watched
        self.stopping = False

    def stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        self.stopping = True

    def run(self) -> int:
        """Until the program was asked to end, or crashed too often at its start; its exit status."""
        crashes = 0
        while True:
            started = time.monotonic()
            status = self._run_once()
            if self.stopping:
                return 0
            crashes = crashes + 1 if time.monotonic() - started < SHORT_LIFE_SECONDS else 0
            if crashes >= CRASHES_IN_A_ROW:
                print(f"{self.name} ended {crashes} times right after its start; giving up", flush=True)
                return 1
            print(f"{self.name} ended with status {status}; starting it again", flush=True)
            time.sleep(0.5 * max(crashes, 1))

    def _run_once(self) -> int:
        program = subprocess.Popen(self.command, start_new_session=True)
        while program.poll() is None:
            self.stopping |= not all(map(is_alive, self.watched))
            if self.stopping:
                _end(program)
            time.sleep(0.1)
        _kill_group(program)  # children of a killed program would go on without it
        return program.wait()


def _end(program: subprocess.Popen[bytes]) -> None:
    program.terminate()
    try:
        program.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _kill_group(program)


def _kill_group(program: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(program.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def watched_processes() -> list[int]:
    """The supervisor's number and that of the `make` above it, as the supervisor passed them on."""
    return [int(number) for number in os.environ.get("SUPERVISORS", "").split()]


def main() -> int:
    os.umask(0o077)  # also for the program: what it writes is for its owner alone
    name = sys.argv[1]
    keeper = Keeper(name, parse_procfile(Path("Procfile").read_text()).processes[name], watched_processes())
    signal.signal(signal.SIGTERM, keeper.stop)
    signal.signal(signal.SIGINT, keeper.stop)
    return keeper.run()


if __name__ == "__main__":
    sys.exit(main())
