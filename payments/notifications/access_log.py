"""Import failed webhook calls from the proxy's access log as DeadCall rows, so that nobody has to grep for them.

The log has one JSON object per line, as deploy/nginx.conf writes it. Reading is idempotent: the file position is saved
in the same transaction as the rows, and a line that was read before (even from a copy of the file) adds no second row.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from django.db import transaction
from django.utils import timezone

from ordersite.queue.refused_calls import count_refused
from payments.models import DeadCall, LogPosition, RefusedCall

LONGEST_LINE = 64 * 1024
BATCH = 1000
# Rows kept per day: calls that never reached us, and calls that we answered (those are in our own log as well).
LOST_PER_DAY, ANSWERED_PER_DAY = 2000, 200
KEPT_DAYS = 90
# A provider follows no redirect: a call that was sent elsewhere never arrived.
LOST_STATUS = 300
_NOTIFY = re.compile(r"/notify/(?P<provider>[^/]{0,200})(?:/(?P<account>[^/]{0,200}))?.*", re.DOTALL)
_NAME = re.compile(r"[-\w]{1,40}", re.ASCII)


class NotALine(ValueError):
    """The line is not in the format of our access log."""


@dataclass(slots=True)
class Read:
    """Counts of one run. `calls` failed, `kept` of them are new rows, `beyond` exceeded the day's limit."""

    lines: int = 0
    calls: int = 0
    kept: int = 0
    beyond: int = 0
    malformed: int = 0

    def as_dict(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}


def read_log(path: Path, done: Read) -> int:
    """Read the new lines of the file, after the rest of the rotated one (`.1`); return the number of bytes read.

    The proxy writes into the rotated file until it is told of the new one: the position moves there with its first
    line only, so that the old one is read on. A last line without its newline is left for the next run. Raises OSError.
    """
    position, _made = LogPosition.objects.get_or_create(path=str(path.absolute())[:400])
    old = path.with_name(path.name + ".1")
    is_rotated = bool(position.inode) and position.inode != path.stat().st_ino
    rest = 0
    if is_rotated and old.exists() and old.stat().st_ino == position.inode:
        rest = _read_file(old, position, done)
    return rest + _read_file(path, position, done)


def _read_file(path: Path, position: LogPosition, done: Read) -> int:
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        is_same = found.st_ino == position.inode and found.st_size >= position.offset
        start = position.offset if is_same else 0
        position.inode = found.st_ino
        file.seek(start)
        for lines in _batches(file):
            with transaction.atomic():
                _take(lines, done)
                position.offset = file.tell()
                position.save()
        return file.tell() - start


def _batches(file: IO[bytes]) -> Iterator[list[bytes]]:
    """Yield batches of whole lines and leave the file position behind the last one.

    A line longer than LONGEST_LINE is yielded in pieces, which `read_line` then rejects."""
    lines: list[bytes] = []
    while line := file.readline(LONGEST_LINE):
        if not line.endswith(b"\n") and len(line) < LONGEST_LINE:
            file.seek(-len(line), os.SEEK_CUR)
            break
        lines.append(line)
        if len(lines) == BATCH:
            yield lines
            lines = []
    if lines:
        yield lines


def _take(lines: Sequence[bytes], done: Read) -> None:
    calls: list[DeadCall] = []
    for line in lines:
        done.lines += 1
        try:
            call = read_line(line)
        except NotALine:
            done.malformed += 1
            continue
        if call is not None:
            calls.append(call)
    done.calls += len(calls)
    if calls:
        _keep(calls, done)


def _keep(calls: Sequence[DeadCall], done: Read) -> None:
    digests = [call.line_digest for call in calls]
    known = set(DeadCall.objects.filter(line_digest__in=digests).values_list("line_digest", flat=True))
    new = {call.line_digest: call for call in calls if call.line_digest not in known}
    kept = [new[digest] for digest in sorted(_within_bounds(new.values(), done))]
    DeadCall.objects.bulk_create(kept, ignore_conflicts=True)
    done.kept += len(kept)


def _within_bounds(calls: Iterable[DeadCall], done: Read) -> Iterator[str]:
    """Yield the digests of calls within their day's limit and count the others."""
    room: dict[tuple[date, bool], int] = {}
    for call in calls:
        key = (timezone.localdate(call.at), call.upstream_status > 0)
        room[key] = (room[key] if key in room else _room(*key)) - 1
        if room[key] >= 0:
            yield call.line_digest
        else:
            done.beyond += 1
            count_refused(RefusedCall, "/notify/", f"at_proxy_{call.status}")


def _room(day: date, answered: bool) -> int:
    begins = timezone.make_aware(datetime.combine(day, datetime.min.time()))
    kept = DeadCall.objects.filter(at__gte=begins, at__lt=begins + timedelta(days=1))
    kept = kept.filter(upstream_status__gt=0) if answered else kept.filter(upstream_status=0)
    return (ANSWERED_PER_DAY if answered else LOST_PER_DAY) - kept.count()


def forget_old(now: datetime) -> int:
    """Delete rows older than KEPT_DAYS; return how many."""
    return DeadCall.objects.filter(at__lt=now - timedelta(days=KEPT_DAYS)).delete()[0]


def read_line(line: bytes) -> DeadCall | None:
    """Parse a log line; return None for a call that is not a failed webhook call. Raises NotALine."""
    try:
        found = json.loads(line)
        path, status = str(found["path"]), int(found["status"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotALine from error
    match = _NOTIFY.fullmatch(path)
    if match is None or not LOST_STATUS <= status <= 599:
        return None
    return DeadCall(
        at=_time(found),
        provider=_name(match["provider"])[:20],
        account_slug=_name(match["account"]),
        path=_text(path, 120),
        method=_text(found.get("method"), 10),
        status=status,
        upstream_status=_number(str(found.get("upstream_status") or "").rpartition(",")[2].strip(), most=599),
        remote_address=_text(found.get("address"), 45),
        announced=_number(found.get("length")),
        received=_number(found.get("received")),
        duration_ms=_number(found.get("seconds"), times=1000),
        request_id=_text(found.get("id"), 64),
        line_digest=hashlib.sha256(line.rstrip(b"\r\n")).hexdigest(),
    )


def _time(found: Mapping[str, Any]) -> datetime:
    try:
        at = datetime.fromisoformat(str(found["time"]))
    except (ValueError, KeyError) as error:
        raise NotALine from error
    if at.tzinfo is None or not 2000 <= at.year <= 9000:
        raise NotALine
    return at


def _name(text: str | None) -> str:
    return text if text and _NAME.fullmatch(text) else ""


def _text(value: Any, most: int) -> str:
    return "" if value is None else str(value).replace("\0", "")[:most]


def _number(value: Any, *, times: int = 1, most: int = 2_000_000_000) -> int:
    """Parse a number; return 0 for anything else (nginx writes a dash for a missing value)."""
    try:
        return max(0, min(most, round(float(value) * times)))
    except (ValueError, TypeError, OverflowError):
        return 0
