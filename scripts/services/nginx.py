"""nginx of Debian's package with a site's own file, as it stands in /etc/nginx/conf.d/ elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from scripts.processes import is_port_taken
from scripts.services.server import Server, ServiceError, program

_MAIN = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 256; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log {folder}/access.log;
    gzip on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class Nginx(Server):
    """`port` is that of TLS. `changes` replace texts of the site's file: names, paths and ports alone."""

    name = "nginx"

    def __init__(self, folder: Path, site: Path, changes: Mapping[str, str], port: int = 0) -> None:
        super().__init__(folder, port)
        self.site = site
        self.changes = {**changes, "listen 443": f"listen 127.0.0.1:{self.port}"}

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def prepare(self) -> None:
        """Raises ServiceError where a text that is to be replaced does not stand in the file."""
        text = self.site.read_text(encoding="utf-8")
        for old, new in self.changes.items():
            if old not in text:
                raise ServiceError(f"{self.site.name} does not contain {old!r}")
            text = text.replace(old, new)
        (self.folder / "site.conf").write_text(text, encoding="utf-8")
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(_MAIN.format(folder=self.folder, user=user))

    def command(self) -> list[str]:
        return [
            program("nginx"),
            "-p",
            str(self.folder),
            "-c",
            str(self.folder / "nginx.conf"),
            "-e",
            "stderr",
        ]

    def check(self) -> str:
        """What `nginx -t` says of the file, without starting; the last line tells whether it is good."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prepare()
        return subprocess.run([*self.command(), "-t"], capture_output=True, text=True, check=False).stderr

    def is_ready(self) -> bool:
        return is_port_taken(self.port)

    def rotate(self, name: str) -> None:
        """Do as logrotate does: rename the log, make a new one, and tell nginx to open it."""
        log = self.folder / name
        log.rename(log.with_name(f"{name}.1"))
        log.touch(0o640)
        os.kill(self.pid, signal.SIGUSR1)
