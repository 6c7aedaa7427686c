"""What an attacker would look for: `python -m scripts.security code|secrets|packages`, parts of `make lint`.

`code` runs bandit, `secrets` reads every line that was ever committed, `packages` asks the advisory service about the
pinned packages. What a person has looked at stands in `reviewed.txt` with the reason.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

REVIEWED = Path(__file__).with_name("reviewed.txt")
FOLDERS = ("ordersite", "orders", "payments", "logistics", "sandbox", "scripts", "benchmarks", "manage.py")
# Forms of secrets that nobody writes by chance.
SECRETS = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|glpat-[\w-]{20}|xox[abp]-[\w-]{10,}|whsec_[A-Za-z0-9+/]{32,}"
    r"|BEGIN [A-Z ]*PRIVATE KEY-----|MII[CEJ][A-Za-z0-9+/]{300,}"
    r"|SECRET_KEY\s*=\s*[\"']?[\w-]{50,}|FIELD_ENCRYPTION_KEYS\s*=\s*[\"']?\w+:[A-Za-z0-9+/]{43}="
    r"|(?:postgres|amqp|redis|smtps?)://[^:@/\s\"'{}]+:[^@/\s\"'{}$]{12,}@"
)


def reviewed(kind: str) -> Counter[str]:
    """Return what is known of a kind, without the reasons: how often each may be found."""
    known: Counter[str] = Counter()
    for line in REVIEWED.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:1] == ["bandit"] == [kind]:
            known[f"{words[1]} {words[2]}"] = int(words[3])
        elif words[:1] == ["secret"] == [kind]:
            known[words[1]] = 1
    return known


def differences(found: Counter[str], known: Counter[str]) -> list[str]:
    """Return a sentence for each new one, and for each that is known and gone."""
    new = [f"not reviewed: {one} ({count} times)" for one, count in sorted((found - known).items())]
    return [*new, *(f"reviewed and gone: {one}" for one in sorted((known - found).keys()))]


def code() -> list[str]:
    skipped = "*/tests/*,*/migrations/*"
    command = [sys.executable, "-m", "bandit", "-q", "-ll", "-r", *FOLDERS, "-x", skipped, "-f", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    results = json.loads(done.stdout)["results"]
    found = Counter(f"{one['filename'].removeprefix('./')} {one['test_id']}" for one in results)
    return differences(found, reviewed("bandit"))


def secrets_in(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each secret that a line of a change adds, with the file."""
    file = ""
    for line in lines:
        if line.startswith("+++ "):
            file = line[6:].strip()
        elif line.startswith("+"):
            yield from ((file, found) for found in SECRETS.findall(line))


def secrets() -> list[str]:
    """Scan the history. A secret is shown as its SHA-256; one that was ever committed has to be changed."""
    command = ["git", "log", "-p", "-U0", "--no-color", "--no-ext-diff", "--no-textconv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as log:
        assert log.stdout is not None
        found = {hashlib.sha256(text.encode()).hexdigest(): file for file, text in secrets_in(log.stdout)}
    if log.returncode:
        return ["the history cannot be read: no git repository"]
    known = reviewed("secret")
    return [f"not reviewed: {digest} in {file}" for digest, file in found.items() if digest not in known]


def packages() -> list[str]:
    """Audit the pinned packages. Where the advisory service is out of reach that is said, and is no failure."""
    options = ["-r", "requirements.txt", "--no-deps", "--disable-pip", "--timeout", "5", "-f", "json"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *options],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        answers = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        answers = []
    audited = [one for one in answers if "vulns" in one]
    if not audited:
        print("packages: not audited, the advisory service cannot be reached from here")
    return [f"{one['name']} {one['version']}: {hole['id']}" for one in audited for hole in one["vulns"]]


def main() -> int:
    problems = {"code": code, "secrets": secrets, "packages": packages}[sys.argv[1]]()
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
