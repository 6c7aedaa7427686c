"""A TCP proxy in front of a web server that loses or holds back the answers to POST requests: a bad network."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PIECE = 65_536


class LossyProxy:
    """Listens on a free port of this machine and passes everything on to `target`.

    `losing`: how many answers to a POST are thrown away, once the server has given them. `open_gate` lets those through
    that `close_gate` holds back. `answered` and `lost` count what the server has answered and what was thrown away.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.losing = 0
        self.answered = self.lost = 0
        self._gate = threading.Event()
        self._gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open_gate(self) -> None:
        self._gate.set()

    def close_gate(self) -> None:
        self._gate.clear()

    def serve(self) -> None:
        """Take connections until `stop`."""
        with suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def stop(self) -> None:
        self._gate.set()
        # Closing alone would leave `accept` waiting.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _carry(self, client: socket.socket) -> None:
        """One connection, one request after another: what the server says belongs to the last one that began."""
        with client, socket.create_connection(self._target) as server, suppress(OSError):
            asked = [b""]
            back = threading.Thread(target=self._answer, args=(server, client, asked), daemon=True)
            back.start()
            while data := client.recv(_PIECE):
                if data.startswith((b"GET ", b"POST ")):
                    asked[0] = data[:5]
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _answer(self, server: socket.socket, client: socket.socket, asked: list[bytes]) -> None:
        with suppress(OSError):
            while data := server.recv(_PIECE):
                if asked[0] == b"POST ":
                    self.answered += 1
                    self._gate.wait()
                    if self.losing:
                        self.losing -= 1
                        self.lost += 1
                        break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def lossy_proxy(host: str, port: int) -> Iterator[LossyProxy]:
    """A proxy that is served by threads of this process."""
    proxy = LossyProxy((host, port))
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.stop()
