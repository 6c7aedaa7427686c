"""A server that answers without end: a byte now, a byte later."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class DrippingServer:
    """`accepted` counts its connections."""

    port: int
    accepted: list[socket.socket] = field(default_factory=list)


@contextlib.contextmanager
def dripping(first: bytes, drip: bytes, *, every: float = 0.05) -> Iterator[DrippingServer]:
    """Say `first` to each client, and then `drip` again and again."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    over = threading.Event()
    server = DrippingServer(int(listener.getsockname()[1]))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _address = listener.accept()
                server.accepted.append(line)
                threading.Thread(target=talk, args=(line,), daemon=True).start()

    def talk(line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):
            line.sendall(first)
            while not over.wait(every):
                line.sendall(drip)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server
    finally:
        over.set()
        listener.close()
