"""Programs from Debian's packages: is it there, and may we install it?"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

QUIET = {
    "DEBIAN_FRONTEND": "noninteractive",
    "RUNLEVEL": "1",
}  # runlevel 1: packages do not start their servers


class NotAllowed(Exception):
    """Packages cannot be installed here; the text says why."""


def _apt() -> list[str]:
    """apt-get with the rights that it needs, or NotAllowed."""
    if not shutil.which("apt-get"):
        raise NotAllowed("there is no apt-get")
    settings = [f"{name}={value}" for name, value in QUIET.items()]
    if os.geteuid() == 0:
        return ["env", *settings, "apt-get"]
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], check=False, capture_output=True).returncode == 0:
        return [sudo, "-n", "env", *settings, "apt-get"]
    raise NotAllowed("installing needs root or sudo without a password")


def install(*packages: str) -> None:
    """Install Debian packages, without what they only recommend. Raises NotAllowed."""
    apt = _apt()
    print(f"installing {' '.join(packages)} ...", flush=True)
    subprocess.run([*apt, "update", "-q"], check=False, capture_output=True, stdin=subprocess.DEVNULL)
    command = [*apt, "install", "-q", "-y", "--no-install-recommends", *packages]
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise NotAllowed(f"apt-get failed: {' '.join(last)}")


def unpack(package: str, folder: Path) -> Path:
    """Unpack a Debian package into a folder without installing it; returns the folder. Raises NotAllowed."""
    if not shutil.which("apt-get"):
        raise NotAllowed("there is no apt-get")
    folder.mkdir(parents=True, exist_ok=True)
    if not _download(package, folder):
        subprocess.run([*_apt(), "update", "-q"], check=False, capture_output=True, stdin=subprocess.DEVNULL)
        if not _download(package, folder):
            raise NotAllowed(f"{package} cannot be downloaded")
    (file,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", file, folder], check=True, capture_output=True)
    return folder


def _download(package: str, folder: Path) -> bool:
    command = ["apt-get", "-q", "download", package]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    return done.returncode == 0 and any(folder.glob("*.deb"))
