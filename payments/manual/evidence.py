"""Files that prove a manual settlement: kept privately, named in rows of their request, served to those who may look."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.contrib.auth.models import AbstractUser

from ordersite.lib.files import private
from payments.models import SettlementFile, SettlementRequest

LARGEST = 10 * private.MEGABYTE
KINDS = ("pdf", "png", "jpeg")
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Handed:
    """A file as a person gave it; `name` is what the person called it."""

    name: str
    stream: private.Readable


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that lies in the private folder, not yet named in a row."""

    name: str
    stored_name: str


@contextmanager
def kept(files: Sequence[Handed]) -> Iterator[list[Kept]]:
    """Store the files; if the block fails, none of them stays.

    Raises `DomainError`: file_empty, file_too_large, file_kind_refused.
    """
    done: list[Kept] = []
    try:
        for file in files:
            stored = private.save(file.stream, limit=LARGEST, kinds=KINDS)
            done.append(Kept(file.name[-_LONGEST_NAME:], stored))
        yield done
    except BaseException:
        for one in done:
            private.remove(one.stored_name)
        raise


def attach(request: SettlementRequest, files: Sequence[Kept], user: AbstractUser) -> None:
    """Name stored files in rows of the request."""
    SettlementFile.objects.bulk_create(_row(request, file, user) for file in files)


def _row(request: SettlementRequest, file: Kept, user: AbstractUser) -> SettlementFile:
    digest, size = hashlib.sha256(), 0
    with private.open(file.stored_name) as content:
        for piece in content.chunks():
            digest.update(piece)
            size += len(piece)
    return SettlementFile(
        request=request,
        stored_name=file.stored_name,
        file_name=file.name,
        size=size,
        sha256=digest.hexdigest(),
        uploaded_by_id=user.pk,
    )
