"""`python3 -m scripts.new_keys`: a new `.env` for a real installation, `.env.example` with fresh keys filled in.

Needs no package and no virtual environment: Django cannot start before these keys are there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts import env_file

_WARNING = (
    "These keys open what the database keeps encrypted (payment keys, raw calls) and seal the history:"
    " lose them and the stored secrets are lost. Keep a copy of this file apart from the database's backup."
)


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or print the keys. Returns 1 where a file is there already: it is never overwritten."""
    parser = argparse.ArgumentParser(prog="python3 -m scripts.new_keys", description=__doc__)
    parser.add_argument("--file", type=Path, default=env_file.ROOT / ".env", help="where to write (.env)")
    parser.add_argument("--print", action="store_true", help="print the keys and write nothing")
    options = parser.parse_args(arguments)
    keys = env_file.new_values()
    if options.print:
        print("".join(f"{name}={value}\n" for name, value in keys.items()), end="")
        print(_WARNING, file=sys.stderr)
        return 0
    try:
        is_new = env_file.write_new(options.file, env_file.example_with(keys))
    except OSError as error:
        print(f"{options.file} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    if not is_new:
        print(f"{options.file} is there already and stays as it is: its keys may be in use.", file=sys.stderr)
        return 1
    print(f"{options.file} is written, for its owner alone: {', '.join(keys)} are new.\n{_WARNING}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
