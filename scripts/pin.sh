#!/bin/sh
# Turn requirements*.in into requirements*.txt: every package, direct and transitive, with its exact version.
# Run it on the oldest Python that we support: conditional dependencies of older versions are then all in.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet pip-tools==7.6.2
compile() {
    "$work/venv/bin/pip-compile" --quiet --strip-extras --no-header --no-emit-index-url --no-emit-find-links \
        --no-emit-trusted-host --output-file "$2" "$1" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
}
head() { printf '# Made by `make pins` from %s; valid for Python 3.11.2 to 3.13. Do not edit by hand.\n' "$1"; }

compile requirements.in "$work/requirements.txt"
{ head requirements.in; cat "$work/requirements.txt"; } > requirements.txt
compile requirements-dev.in "$work/dev.txt"
{
    head requirements-dev.in
    echo '-r requirements.txt'
    grep -v '^ *#' "$work/dev.txt" | grep -vxFf requirements.txt
} > requirements-dev.txt
