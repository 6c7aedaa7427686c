"""`make bench`: the benchmarks on a private PostgreSQL that really waits for its disk (fsync on).

`BENCH_DATABASE_URL` names another server. What a commit costs is part of every number, so the quick settings of the
tests would lie.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import env_file, packages
from scripts.messages import compile_catalogues
from scripts.services import DURABLE, ServiceError, new_folder, start_postgres
from scripts.services.server import program


def provide() -> None:
    """Servers and load generator, from packages where they are missing. Raises NotAllowed."""
    missing = [] if shutil.which("wrk") else ["wrk"]
    try:
        program("pgbench")
    except ServiceError:
        missing.append("postgresql")
    if missing:
        packages.install(*missing)


def run(url: str, arguments: list[str]) -> int:
    environment = {**os.environ, "BENCH_DATABASE_URL": url}
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], env=environment, check=False
    ).returncode


def run_on_private_server(folder: Path, arguments: list[str]) -> int:
    server = start_postgres(folder / "postgres", options=DURABLE)
    print(f"{server.name}: private, port {server.port}, fsync and synchronous_commit on", flush=True)
    try:
        return run(server.url, arguments)
    finally:
        server.stop()


def main() -> int:
    os.chdir(env_file.ROOT)
    env_file.ensure()
    compile_catalogues()
    if named := os.environ.get("BENCH_DATABASE_URL"):
        return run(named, sys.argv[1:])
    folder = new_folder("bench")
    try:
        provide()
        return run_on_private_server(folder, sys.argv[1:])
    except (packages.NotAllowed, ServiceError) as problem:
        print(f"the benchmarks cannot run: {problem}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
