"""`python -m sandbox` runs the sandbox; `python -m sandbox keys` only makes its keys."""

import logging
import os
import signal
import sys
import threading

from sandbox.accounts import write_accounts
from sandbox.config import BadSetting, Settings, read_settings
from sandbox.keys.keys import make_keys
from sandbox.server import Sandbox


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0 after a normal stop, 1 for a failed start, 2 for wrong arguments."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        settings = read_settings()
        if arguments == ["keys"]:
            for path in [*make_keys(settings.folder), *write_accounts(settings)]:
                print(path)
            return 0
        if arguments:
            print("usage: python -m sandbox [keys]", file=sys.stderr)
            return 2
        return _serve(settings)
    except (BadSetting, OSError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1


def _serve(settings: Settings) -> int:
    sandbox = Sandbox(settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        # shutdown() waits for the serving loop, which is the thread that the signal interrupts.
        signal.signal(number, lambda *_: threading.Thread(target=sandbox.stop).start())
    print(f"sandbox listens on http://{settings.host}:{sandbox.server.server_port}/", flush=True)
    sandbox.run()
    return 0


if __name__ == "__main__":
    os.umask(0o077)  # it holds keys: for its owner alone
    sys.exit(main(sys.argv[1:]))
