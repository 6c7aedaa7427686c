"""Redis that keeps nothing on disk."""

from __future__ import annotations

from scripts.services.server import Server, answer, program


class Redis(Server):
    name = "Redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        quiet = ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        return [program("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port), *quiet]

    def is_ready(self) -> bool:
        return answer(self.port, b"PING\r\n").startswith(b"+PONG")
