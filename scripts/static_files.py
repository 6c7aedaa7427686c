"""Build the static files with hashed names into static-built/: `python -m scripts.static_files`

Needs no settings of the installation, so that an image can be built with it. Nothing is done where nothing has changed.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from typing import Any

import django
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command

from scripts import env_file


def build() -> bool:
    """Collect, compress and name the files; False when that was done before from the same sources."""
    built: Any = staticfiles_storage
    if built.hashed_files:
        return False
    call_command("collectstatic", no_input=True, interactive=False, verbosity=0)
    return True


def main() -> int:
    """Settings of its own: neither the keys nor the servers of the installation are needed, or touched."""
    os.chdir(env_file.ROOT)
    folder = tempfile.mkdtemp(prefix="ordersite-static-")
    emptied = dict.fromkeys(env_file.names(), "")
    os.environ.update({**emptied, **env_file.new_values(), "VAR_DIR": folder})
    os.environ["DJANGO_SETTINGS_MODULE"] = "ordersite.settings"
    try:
        django.setup()
        print("static files:", "built" if build() else "as they were")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
