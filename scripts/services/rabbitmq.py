"""RabbitMQ with a node, a cookie and ports of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from scripts.processes import free_port
from scripts.services.server import Server, ServiceError, answer, program


class RabbitMQ(Server):
    """A one-node broker with an epmd of its own: the machine's is neither needed nor left behind."""

    name = "RabbitMQ"
    account = "rabbitmq"
    start_seconds = 90.0

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder, port)
        self.inner_port = free_port()  # between Erlang nodes; nobody else calls it
        self.epmd_port = free_port()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def prepare(self) -> None:
        (self.folder / "plugins").write_text("[].\n")
        listener = f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
        limits = "disk_free_limit.absolute = 50MB\nlog.console = true\n"
        (self.folder / "rabbitmq.conf").write_text(listener + limits)

    def command(self) -> list[str]:
        # The shell keeps epmd in the same family, so that one kill ends both.
        script = f"{program('epmd')} -port {self.epmd_port} & exec {program('rabbitmq-server')}"
        return ["/bin/sh", "-c", script]

    def environment(self) -> dict[str, str]:
        return {
            "RABBITMQ_NODENAME": f"ordersite-{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_DIST_PORT": str(self.inner_port),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # An idle broker must not spin on the cores that the tests need.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def is_ready(self) -> bool:
        return len(answer(self.port, b"AMQP\x00\x00\x09\x01")) > 8

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl on this broker and return what it printed. Raises ServiceError."""
        path = os.environ.get("PATH", os.defpath)
        done = subprocess.run(
            [program("rabbitmqctl"), "--quiet", *arguments],
            cwd=self.folder,
            env={"PATH": path, "LC_ALL": "C.UTF-8", "HOME": str(self.folder)} | self.environment(),
            user=self._drop_to,
            group=self._drop_to,
            extra_groups=[] if self._drop_to else None,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServiceError(f"rabbitmqctl {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout

    def stop(self) -> None:
        """Its own start script waits for an Erlang shell to say goodbye (5 s); nothing here is worth that."""
        self.kill()
