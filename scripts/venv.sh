#!/bin/sh
# Make .venv, install a requirements file into it, compile the translations, build the static files; nothing is done when all is there already.
#     scripts/venv.sh requirements.txt
set -eu
cd "$(dirname "$0")/.."
wanted=$1

refuse() { echo "ordersite: $1" >&2; exit 1; }

is_supported() { "$1" -c 'import sys; sys.exit(not (3, 11, 2) <= sys.version_info[:3] < (3, 14))' 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if command -v "$candidate" >/dev/null && is_supported "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    refuse "Python 3.11, 3.12 or 3.13 is missing; on Debian: apt-get install python3 python3-venv"
}

make_venv() {
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        refuse "Python's venv module is missing; on Debian: apt-get install python3-venv"
    rm -rf .venv
    "$python" -m venv .venv || refuse "$python could not make .venv"
}

state_of() { { .venv/bin/python -V; cat requirements.txt "$1"; } | sha256sum; }

.venv/bin/python -c 'import pip' 2>/dev/null || make_venv
stamp=.venv/installed-$wanted
if [ "$(cat "$stamp" 2>/dev/null)" != "$(state_of "$wanted")" ]; then
    echo "Installing $wanted into .venv ..."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$wanted" ||
        refuse "pip could not install $wanted; its own words stand above"
    state_of "$wanted" > "$stamp"
fi
# Whatever installs compiles the translations: without them pages are half English, and so is what a cashier shows.
.venv/bin/python -m scripts.messages >/dev/null || refuse "the translations could not be compiled; why stands above"
# And it names the static files by their content: without that each page asks for all of them again and again.
names=$( { cat requirements.txt scripts/static_files.py ordersite/server/static_files.py; find static -type f -exec sha256sum {} + | sort; } | sha256sum)
if [ "$(cat static-built/stamp 2>/dev/null)" != "$names" ]; then
    .venv/bin/python -m scripts.static_files >/dev/null || refuse "the static files could not be built; why stands above"
    echo "$names" > static-built/stamp
fi
# The development file contains the other one.
[ "$wanted" = requirements.txt ] || state_of requirements.txt > .venv/installed-requirements.txt
