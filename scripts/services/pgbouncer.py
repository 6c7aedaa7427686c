"""PgBouncer before a PostgreSQL server, in transaction mode."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from scripts.services.server import Server, answer, program

# «Do you speak TLS?»: one byte comes back before any log-in.
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


class PgBouncer(Server):
    """A pooler of few server connections: two clients meet on one of them at once. `before` is the server's URL."""

    name = "PgBouncer"
    account = "postgres"

    def __init__(
        self, folder: Path, port: int = 0, *, before: str = "", options: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(folder, port)
        self.before, self.options = before, dict(options or {})

    @property
    def url(self) -> str:
        """The address of the database that stands in `before`, through the pooler."""
        parts = urlsplit(self.before)
        place = f"{parts.username}@127.0.0.1:{self.port}" if parts.username else f"127.0.0.1:{self.port}"
        return urlunsplit(parts._replace(netloc=place))

    def prepare(self) -> None:
        parts = urlsplit(self.before)
        options = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": "4",
            "max_client_conn": "200",
            "ignore_startup_parameters": "extra_float_digits",
        } | self.options
        user = f" user={parts.username}" if parts.username else ""
        password = f" password={parts.password}" if parts.password else ""
        lines = [f"{name} = {value}" for name, value in options.items()]
        server = f"* = host={parts.hostname} port={parts.port}{user}{password}"
        (self.folder / "pgbouncer.ini").write_text(
            "\n".join(["[databases]", server, "[pgbouncer]", *lines]) + "\n"
        )

    def command(self) -> list[str]:
        return [program("pgbouncer"), "pgbouncer.ini"]

    def is_ready(self) -> bool:
        return answer(self.port, _SSL_REQUEST) != b""
