#!/bin/sh
# Turn requirements*.in into requirements*.txt: every package, direct and transitive, with its exact version and the
# SHA-256 of each file of that release, which pip compares with what it is given.
# Run it on the oldest Python that we support: conditional dependencies of older versions are then all in.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet pip-tools==7.6.2
compile() {
    "$work/venv/bin/pip-compile" --quiet --strip-extras --generate-hashes --allow-unsafe --no-header --no-emit-index-url --no-emit-find-links \
        --no-emit-trusted-host --output-file "$2" "$1" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
}
head() { printf '# Made by `make pins` from %s; valid for Python 3.11.2 to 3.13. Do not edit by hand.\n' "$1"; }

# Resolved without its conditions, or a package of another Python would be missing; then they are put back.
sed 's/ *;.*//' requirements.in > "$work/requirements.in"
sed -n 's/^\([^ ;#]*\) *; *\(.*\)$/s|^\1 |\1 ; \2 |/p' requirements.in > "$work/conditions"
compile "$work/requirements.in" "$work/requirements.txt"
{ head requirements.in; sed -f "$work/conditions" -e "s|-r $work/|-r |" "$work/requirements.txt"; } > requirements.txt
compile requirements-dev.in "$work/dev.txt"
{
    head requirements-dev.in
    echo '-r requirements.txt'
    # A package is its line and those of its hashes; those that the other file has are left to it.
    awk '/^[A-Za-z0-9]/ { known = FNR != NR && seen[$1]; if (FNR == NR) seen[$1] = 1 }
        FNR != NR && !known && !/^ *#/' requirements.txt "$work/dev.txt"
} > requirements-dev.txt
