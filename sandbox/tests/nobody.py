"""An address of the tests' own where nobody listens: for what is sent out and has to arrive nowhere."""

import socket
from functools import lru_cache

_keeper = socket.socket()


@lru_cache
def nobody() -> str:
    """Origin on loopback; its port is kept from everybody else until this process ends."""
    _keeper.bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{_keeper.getsockname()[1]}"
