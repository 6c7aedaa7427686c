#!/bin/sh
# The web process, whoever starts it: by hand, Procfile, image, systemd. `SERVES=notify PORT=8001 deploy/web.sh` is one
# for providers' calls alone. BIND, PORT and WEB_WORKERS come from the environment, else from .env, else from here. Tests
# and benchmarks name an application of their own.
set -eu
cd "$(dirname "$0")/.."
[ ! -d .venv/bin ] || PATH="$PWD/.venv/bin:$PATH"

setting() { # NAME DEFAULT
    eval "value=\${$1:-}"
    [ -n "$value" ] || value=$(sed -n "s/^[[:blank:]]*$1[[:blank:]]*=//p" .env 2>/dev/null | head -n 1 | tr -d "\"'[:space:]")
    echo "${value:-$2}"
}

# What the server itself says has the form of the other lines.
log=
[ "$(setting LOG_FORMAT text)" != json ] || log="--log-config deploy/web-log.conf"

# A worker that the kernel killed comes back: without it granian ends the whole. Those that are asked to end finish what
# they answer, within 8 s: Docker kills after 10. The front has queues and time-outs of its own (ordersite/server/front.py),
# so that granian hands it whatever has come; only the reading of the head is granian's.
exec granian --interface rsgi --http 1 --no-ws \
    --host "$(setting BIND 127.0.0.1)" --port "$(setting PORT 8000)" --workers "$(setting WEB_WORKERS 2)" \
    --respawn-failed-workers --workers-kill-timeout 8 \
    --backlog 4096 --backpressure 4096 --http1-header-read-timeout 20000 \
    --log-level warning $log "${1:-ordersite.rsgi:application}"
