"""What a start in production refuses: settings that fit the demonstration, or a developer's own machine, alone.

`env.stop` speaks for them in one line. The demonstration shop and DEBUG on an address of this machine are let be.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterable

from ordersite.lib import env

SHORTEST_SECRET_KEY = 50
FEWEST_CHARACTERS = 5
# 32 random bytes hold about 30 different ones; fewer than these never happen by chance.
FEWEST_BYTES = 20
_PRINTABLE = frozenset(range(32, 127))


def is_this_machine(host: str) -> bool:
    """Tell whether nobody else reaches this host name or address."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def refuse_debug(hosts: Iterable[str]) -> None:
    """Stop the start with DEBUG on an address that others reach: its error pages show settings and variables."""
    for host in hosts:
        if not is_this_machine(host):
            env.stop("DEBUG", f"must be off where others reach the site (at {host})")


def refuse_weak_keys(secret_key: str, encryption_keys: str) -> None:
    """Stop the start with keys that can be guessed. Of the encryption keys the first counts: the others only decrypt,
    so that a weak one can be replaced."""
    if problem := _weakness_of_secret(secret_key):
        env.stop("SECRET_KEY", problem)
    first = encryption_keys.partition(",")[0].strip()
    if _is_guessable(base64.b64decode(first.partition(":")[2])):
        env.stop("FIELD_ENCRYPTION_KEYS", "must begin with a key of 32 random bytes: openssl rand -base64 32")


def _weakness_of_secret(key: str) -> str:
    if len(key) < SHORTEST_SECRET_KEY:
        return f"must have at least {SHORTEST_SECRET_KEY} characters, not {len(key)}"
    if len(set(key)) < FEWEST_CHARACTERS or key.startswith("django-insecure-"):
        return "must be random"
    return ""


def _is_guessable(key: bytes) -> bool:
    """Zeros, a repeated pattern, a series, or words."""
    few = len(set(key)) < FEWEST_BYTES
    return few or list(key) in (sorted(key), sorted(key, reverse=True)) or _PRINTABLE.issuperset(key)
