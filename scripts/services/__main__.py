"""Private servers by hand; see the package's first lines."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.services import KINDS, ServiceError, down, up


def main() -> int:
    parser = argparse.ArgumentParser(description="Private servers for development.")
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("folder", type=Path)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, metavar="PORT")
    wanted = vars(parser.parse_args())
    try:
        if wanted["action"] == "down":
            down(wanted["folder"])
            return 0
        servers = up(wanted["folder"], {kind: wanted[kind] for kind in KINDS if wanted[kind]})
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 1
    for server in servers:
        print(f"{server.name}: {server.url}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
