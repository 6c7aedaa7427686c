"""PostgreSQL with a private cluster; the machine's own clusters are left alone."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from scripts.processes import send
from scripts.services.server import Server, ServiceError, program

# Safe against killed processes (WAL reaches the kernel before a commit returns), not against a power cut.
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}

# What PostgreSQL says to a start while a process of the one before still holds its memory or its folder.
_NOT_QUITE_GONE = ("pre-existing shared memory block", "lock file")


class Postgres(Server):
    name = "PostgreSQL"
    account = "postgres"
    stop_signal = signal.SIGINT  # fast shutdown: roll back what is open, write a checkpoint

    def __init__(self, folder: Path, port: int = 0, options: Mapping[str, str] = QUICK) -> None:
        super().__init__(folder, port)
        self.options = dict(options)

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start and wait until it answers; again where a backend of the killed server is not quite gone."""
        try:
            super().start()
        except ServiceError as problem:
            if not any(words in str(problem) for words in _NOT_QUITE_GONE):
                raise
            time.sleep(2)
            super().start()

    def prepare(self) -> None:
        if not (self.folder / "data" / "PG_VERSION").exists():
            options = ["-U", "postgres", "--auth=trust", "--locale=C.UTF-8", "--encoding=UTF8", "--no-sync"]
            self.run_tool([program("initdb"), "-D", "data", *options])

    def command(self) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "max_connections": "300",
            "shared_buffers": "256MB",
            "max_wal_size": "4GB",
        }
        pairs = [part for key, value in (options | self.options).items() for part in ("-c", f"{key}={value}")]
        return [program("postgres"), "-D", "data", *pairs]

    def ask_passwords(self, *roles: str) -> None:
        """Let these roles in by their password only, as a server of the network does; the others stay trusted."""
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all {','.join(roles)} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        send(self.pid, signal.SIGHUP)

    def is_ready(self) -> bool:
        question = [program("pg_isready"), "-q", "-U", "postgres", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(question, check=False, capture_output=True).returncode == 0
