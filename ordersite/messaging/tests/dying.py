"""A process that others kill: it forks a child for each line of its input, which sends what is due.

Input: an address. Output: the child's process id, once it has called there, as a process does that works for long; then,
once it has ended, how.
"""

from __future__ import annotations

import os
import sys

import django

django.setup()

from ordersite.lib.http import gateway  # noqa: E402
from ordersite.messaging.sending.send import send_messages  # noqa: E402


def tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            gateway().get(line.strip())
            tell(os.getpid())
            send_messages(seconds=2)
            os._exit(0)
        tell(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
