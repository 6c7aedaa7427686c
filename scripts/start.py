"""`make run`: prepare this machine, then web, worker, beat and sandbox under one supervisor until Ctrl-C."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from honcho.environ import parse_procfile
from honcho.manager import Manager

from ordersite.lib import env
from scripts import env_file
from scripts.messages import compile_catalogues
from scripts.processes import is_port_taken, wait_until

ROOT = env_file.ROOT


class CannotStart(Exception):
    """One line for the person at the keyboard."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where this start listens and whose data it works on."""

    port: int
    sandbox_port: int
    demo: bool
    files: Path

    @classmethod
    def from_environment(cls) -> Place:
        embedded = not env.text("DATABASE_URL", "")
        return cls(
            port=env.integer("PORT", 8000, least=1),
            sandbox_port=env.integer("SANDBOX_PORT", 8900, least=1),
            demo=env.flag("DEMO", default=embedded),
            files=Path(env.text("VAR_DIR", str(ROOT / "var"))).resolve(),
        )

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def log(self) -> Path:
        """What the preparing programs said."""
        return self.files / "start.log"


def check_ports(place: Place) -> None:
    """Raises CannotStart: two programs on one port would fail later, and less clearly."""
    wanted = {"PORT": place.port} | ({"SANDBOX_PORT": place.sandbox_port} if place.demo else {})
    if len(set(wanted.values())) < len(wanted):
        raise CannotStart("PORT and SANDBOX_PORT are the same")
    for name, port in wanted.items():
        if port > 65535:
            raise CannotStart(f"{name} must be at most 65535, not {port}")
        if is_port_taken(port):
            raise CannotStart(f"port {port} is taken; choose another one: make run {name}=...")


def set_environment(place: Place) -> None:
    """What all the programs below share; what a person set already stays."""
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )
    supervisors = [os.getpid(), *([os.getppid()] if os.environ.get("MAKELEVEL") else [])]
    os.environ["SUPERVISORS"] = " ".join(map(str, supervisors))
    os.environ["PYTHONUNBUFFERED"] = "1"
    os.environ["PORT"], os.environ["SANDBOX_PORT"] = str(place.port), str(place.sandbox_port)
    os.environ["ORDERSITE_URL"], os.environ["SANDBOX_URL"] = place.site, place.sandbox
    os.environ["VAR_DIR"], os.environ["SANDBOX_DIR"] = str(place.files), str(place.files / "sandbox")
    os.environ["PUBLIC_BASE_URL"] = env.text("PUBLIC_BASE_URL", place.site)
    if place.demo:
        # A sandbox parcel arrives within a minute: polling every two hours would show nothing.
        os.environ["TRACKING_POLL_HOURS"] = env.text("TRACKING_POLL_HOURS", "0.002")


def run_step(log: Path, saying: str, *arguments: str) -> str:
    """Run a Python program of the project to its end and return what it printed. Raises CannotStart."""
    print(saying, flush=True)
    done = subprocess.run(
        [sys.executable, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {shlex.join(arguments)}\n{done.stderr}")
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"]
        raise CannotStart(f"`{shlex.join(arguments)}` failed: {lines[-1]} (all of it: {log})")
    return done.stdout


def prepare(place: Place) -> str:
    """Translations, tables and, where they belong, demonstration data; returns the log-ins made now."""
    place.files.mkdir(parents=True, exist_ok=True)
    keep_private(place.files)
    place.log.write_text("")
    compile_catalogues()
    run_step(place.log, "Preparing the database ...", "manage.py", "migrate", "--no-input")
    if not place.demo:
        return ""
    run_step(place.log, "Preparing the sandbox ...", "-m", "sandbox", "keys")
    return run_step(place.log, "Preparing the demonstration shop ...", "manage.py", "seed_demo")


def is_answering(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return reply.status < 500
    except (urllib.error.URLError, OSError):
        return False


def addresses(place: Place) -> list[str]:
    lines = [f"  staff      {place.site}/admin/", f"  merchants  {place.site}/shop/orders/"]
    if place.demo:
        lines += [f"  checkout   {place.site}/checkout/", f"  sandbox    {place.sandbox}/"]
    if not env.text("EMAIL_URL", ""):
        lines += [f"  mail       {place.files / 'mail'} (one file for each)"]
    return lines


def announce(place: Place, logins: str) -> None:
    """Say where everything is, once it is really there (the first start takes some seconds)."""
    if not wait_until(lambda: is_answering(f"{place.site}/healthz"), 120):
        return
    lines = ["", "ordersite is running.", *addresses(place)]
    if logins.strip():
        lines += ["", logins.strip()]
    elif place.demo:
        lines += [f"  log-ins    in {place.files / 'demo-logins.txt'}"]
    else:
        lines += ["  log-ins    make the first ones: .venv/bin/python manage.py setup"]
    print("\n".join([*lines, "", "Ctrl-C stops everything.", ""]), flush=True)


def supervise(place: Place) -> int:
    """Everything in the Procfile, until Ctrl-C or until one of them gives up."""
    manager = Manager()
    for name in parse_procfile((ROOT / "Procfile").read_text()).processes:
        if place.demo or name != "sandbox":
            manager.add_process(name, f"exec {shlex.quote(sys.executable)} -m scripts.keep {name}")
    manager.loop()
    stopped_by_hand = manager.returncode in (130, 143)
    return 0 if stopped_by_hand else int(manager.returncode or 1)


def keep_private(files: Path) -> None:
    """Close to others what an older version left open below this folder; the umask closes what is made from now on."""
    if files == ROOT / "var" and files.is_dir():
        files.chmod(0o700)
    for path in files.glob("ordersite.sqlite3*"):
        path.chmod(0o600)
    for name in ("sandbox", "mail", "broker", "anchors"):
        if (files / name).is_dir():
            (files / name).chmod(0o700)


def main() -> int:
    os.umask(0o077)  # names, phones, sessions and keys: for their owner alone
    os.chdir(ROOT)
    env_file.ensure()
    env.load_file(ROOT / ".env")
    place = Place.from_environment()
    try:
        check_ports(place)
        set_environment(place)
        logins = prepare(place)
    except CannotStart as problem:
        print(f"ordersite cannot start: {problem}", file=sys.stderr)
        return 1
    threading.Thread(target=announce, args=(place, logins), daemon=True).start()
    return supervise(place)


if __name__ == "__main__":
    sys.exit(main())
