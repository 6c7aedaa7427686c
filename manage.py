#!/usr/bin/env python
"""Run administrative commands; reads `.env` beside this file first."""

import os
import sys

from django.core.management import execute_from_command_line

from ordersite import __version__

if __name__ == "__main__":
    os.umask(0o077)  # what it writes holds names, phones and sessions: for its owner alone
    if sys.argv[1:] == ["--version"]:  # Django's own is in its answer to `manage.py version`
        sys.stdout.write(f"ordersite {__version__}\n")
        sys.exit()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ordersite.settings")
    execute_from_command_line(sys.argv)
