"""Reads the programs of compose.yaml and of the systemd units, and runs them here instead of in containers."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from scripts.env_file import ROOT
from scripts.processes import kill_family

UNITS = ROOT / "deploy" / "systemd"
HOME = "/srv/ordersite"  # where the units expect the code


@dataclass(frozen=True, slots=True)
class Program:
    """A command with exactly these variables."""

    name: str
    command: list[str]
    environment: dict[str, str]

    def with_places(self, places: Mapping[str, str]) -> Program:
        """The same program where these texts of its command and variables are replaced."""

        def put(text: str) -> str:
            for old, new in places.items():
                text = text.replace(old, new)
            return text

        environment = {name: put(value) for name, value in self.environment.items()}
        return replace(self, command=[put(word) for word in self.command], environment=environment)


@dataclass(slots=True)
class Running:
    """Programs that run, and what they said."""

    folder: Path
    prefix: list[str] = field(default_factory=list)  # what drops rights
    root: Path = ROOT
    umask: int = -1
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, program: Program) -> None:
        with (self.folder / f"{program.name}.log").open("ab") as log:
            self.processes[program.name] = subprocess.Popen(
                [*self.prefix, *program.command],
                cwd=self.root, env=program.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, umask=self.umask,
            )  # fmt: skip

    def run(self, program: Program) -> None:
        """To its end, which must be a good one."""
        self.start(program)
        status = self.processes.pop(program.name).wait(300)
        assert status == 0, self.said(program.name)

    def ended(self) -> list[str]:
        return [name for name, process in self.processes.items() if process.poll() is not None]

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        for process in self.processes.values():
            kill_family(process.pid)
            process.wait(20)


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """What compose makes of `${NAME:?}`. Raises KeyError for a name that is not set."""
    return re.sub(r"\$\{(\w+):\?\}", lambda match: values[match[1]], text)


def environment_of(service: Mapping[str, Any], dot_env: Mapping[str, str]) -> dict[str, str]:
    own = {name: interpolated(str(value), dot_env) for name, value in service.get("environment", {}).items()}
    return {**(dot_env if service.get("env_file") == ".env" else {}), **own}


def image_command() -> list[str]:
    """The CMD of the image, for services without a command of their own."""
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    words: list[str] = json.loads(re.findall(r"^CMD (\[.*\])$", text, flags=re.M)[-1])
    return words


def compose_programs(dot_env: Mapping[str, str], around: Mapping[str, str]) -> dict[str, Program]:
    """The services of our own image. `around` is what a container has beside its variables (PATH)."""
    return {
        name: Program(
            name,
            [str(word) for word in service.get("command", image_command())],
            {**around, **environment_of(service, dot_env)},
        )
        for name, service in compose()["services"].items()
        if service["image"] == "ordersite"
    }


def read_unit(path: Path) -> dict[tuple[str, str], list[str]]:
    """(section, name) → values, those of the drop-in that all services share behind the unit's own."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    shared = UNITS / "ordersite-.service.d" / "common.conf"
    for file in [path, *([shared] if path.suffix == ".service" else [])]:
        section = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and not line.startswith("#"):
                name, _, value = line.partition("=")
                found[section, name].append(value)
    return dict(found)


def wanted_units() -> list[str]:
    """The services that the target starts."""
    target = read_unit(UNITS / "ordersite.target")
    return [name for line in target["Unit", "Wants"] for name in line.split()]


def unit_program(name: str, files: Mapping[str, Mapping[str, str]], around: Mapping[str, str]) -> Program:
    """The program of a service; `files` are the contents of its EnvironmentFiles, `around` what systemd adds."""
    instance = name.partition("@")[2].removesuffix(".service")
    path = UNITS / (re.sub(r"@.*", "@.service", name))
    unit = read_unit(path)

    def expanded(text: str) -> str:
        return text.replace("%i", instance).replace("%%", "%")

    environment = dict(around)
    for line in unit.get(("Service", "Environment"), []):
        environment |= dict(word.split("=", 1) for word in shlex.split(expanded(line)))
    # The drop-in is read last, and its file first: what stands in a later file wins.
    for file in reversed(unit["Service", "EnvironmentFile"]):
        environment |= files[file]
    (command,) = unit["Service", "ExecStart"]
    short = name.removeprefix("ordersite-").removesuffix(".service")
    return Program(short, shlex.split(expanded(command)), environment)
