"""Stores files that people upload in `STORAGES["private"]`, which no server delivers by itself.

That is a folder of this machine (settings.PRIVATE_DIR) or whatever Django storage PRIVATE_STORAGE names: nothing here
asks for a path. Drafts lie in settings.PRIVATE_DIR in either case.

A stored name is random and ends with the kind of the content (`3f…a9.pdf`); the uploaded name stands in a row of the
app that owns the file. The kind is read from the content, never from the name or the browser's header.
"""

from __future__ import annotations

import codecs
import os
import re
import secrets
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, Protocol

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.http import FileResponse
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError

MEGABYTE = 1024 * 1024
# Room for thousands of parts; a bill has two.
_LARGEST_DIRECTORY = 512 * 1024
# The longest comment of a zip and the records before it.
_LAST_RECORDS = 65_535 + 22 + 20
KINDS = ("pdf", "png", "jpeg", "csv", "xlsx", "xls", "zip", "gz")
_CHUNK = 256 * 1024
_NAME = re.compile(rf"[0-9a-f]{{32}}\.(?:{'|'.join(KINDS)})")
_MAGIC = {
    b"%PDF-": "pdf",
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"PK\x03\x04": "zip",
    b"\x1f\x8b\x08": "gz",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "xls",
}
# No text holds these: tabs and line ends are the only control characters of a table. At its very end old systems write 1A.
_BINARY = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NARROW, _WIDE = ("utf-8-sig", "gb18030"), ("utf-16-le", "utf-16-be")
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_END_OF_FILE = "\x1a"
# A character that its writer cut in half is no reason to refuse a text: one in so many.
_ODD_SHARE = 200


class Readable(Protocol):
    """Anything that can be read piece by piece: an open file, an uploaded file, a BytesIO."""

    def read(self, size: int = ..., /) -> bytes: ...


class _Draft(File):
    """A file that is complete on this machine: a storage in the same place may move it instead of copying it."""

    def temporary_file_path(self) -> str:
        return str(self.name)


def save(stream: Readable, *, limit: int, kinds: Collection[str]) -> str:
    """Store a stream of at most `limit` bytes and of one of these KINDS; returns the stored name.

    Reads piece by piece: memory does not grow with the file. The file is on the disk (fsync), or taken by the storage,
    when this returns. Raises DomainError (file_empty, file_too_large, file_kind_refused); nothing is left behind then.
    """
    draft = drafts() / f"{secrets.token_hex(16)}.part"
    try:
        _write(draft, _bounded(_pieces(stream), limit))
        with draft.open("rb") as written:
            kind = sniff(written)
            if kind not in kinds:
                raise DomainError(
                    "file_kind_refused",
                    _("Only these files are taken: %(kinds)s."),
                    kinds=", ".join(sorted(kinds)),
                )
            written.seek(0)
            return _storage().save(f"{secrets.token_hex(16)}.{kind}", _Draft(written, str(draft)))
    finally:
        draft.unlink(missing_ok=True)


def open(name: str) -> File[Any]:
    """Open a stored file. Raises FileNotFoundError for a name that `save` did not return, or whose file is gone."""
    return _storage().open(_checked(name), "rb")


@contextmanager
def local(name: str) -> Iterator[IO[bytes]]:
    """Open a stored file as a file of this machine, for archives and programs, which need one.

    What the storage keeps elsewhere is copied, piece by piece, to a file that is gone afterwards. Raises
    FileNotFoundError like `open`.
    """
    with open(name) as stored:
        if isinstance(stored.file, BufferedReader):
            yield stored.file
            return
        with tempfile.TemporaryFile(dir=drafts()) as copy:
            for piece in stored.chunks(_CHUNK):
                copy.write(piece)
            copy.seek(0)
            yield copy


def remove(name: str) -> None:
    """Delete a stored file, if it exists."""
    _storage().delete(_checked(name))


def attachment(name: str, filename: str) -> FileResponse:
    """Return a download response that no browser opens or guesses the type of. The view checks the right before."""
    response = FileResponse(
        open(name), as_attachment=True, filename=filename, content_type="application/octet-stream"
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-store"
    return response


def sniff(stream: IO[bytes]) -> str:
    """Return the kind of an open file by its content: one of KINDS, or "" for anything else."""
    head = stream.read(8)
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
    stream.seek(0)
    if not kind:
        return "csv" if _is_text(_pieces(stream)) else ""
    return _kind_of_archive(stream) if kind == "zip" else kind


def _kind_of_archive(file: IO[bytes]) -> str:
    if not 0 < _directory_size(file) <= _LARGEST_DIRECTORY:
        return ""
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return ""
    return "xlsx" if {"[Content_Types].xml", "xl/workbook.xml"} <= names else "zip"


def _directory_size(stream: IO[bytes]) -> int:
    """Return the size of a zip's central directory, which is read as a whole; 0 if the zip does not state it plainly.

    The last record of a zip: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.16; the 64-bit form (4.3.15)
    is for archives of more than 4 GB and refused.
    """
    length = stream.seek(0, 2)
    stream.seek(max(0, length - _LAST_RECORDS))
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 16 > len(tail) or b"PK\x06\x07" in tail[max(0, at - 20) : at]:
        return 0
    return int.from_bytes(tail[at + 12 : at + 16], "little")


def _is_text(pieces: Iterable[bytes]) -> bool:
    """Whether all of it is text in one of the encodings that bills come in."""
    readings: list[_Reading] = []
    for piece in pieces:
        readings = readings or [_Reading(name) for name in _encodings_of(piece)]
        for reading in readings:
            reading.take(piece)
        readings = [reading for reading in readings if reading.is_text]
        if not readings:
            return False
    return any(reading.finish() for reading in readings)


def _encodings_of(beginning: bytes) -> tuple[str, ...]:
    return _WIDE if b"\0" in beginning or beginning.startswith(_MARKS) else _NARROW


class _Reading:
    """A text read in one encoding: no control characters, hardly a character broken.

    In UTF-16 any bytes are characters of some script: a table in it has cells and figures in ASCII, and nothing broken.
    """

    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._is_wide = encoding in _WIDE
        self._size = self._odd = self._ascii = 0
        self._is_over = False
        self.is_text = True

    def take(self, piece: bytes, *, final: bool = False) -> None:
        text = self._decoder.decode(piece, final)
        body = text.rstrip(_END_OF_FILE)
        is_plain = not _BINARY.search(body) and not (self._is_over and text)
        self.is_text, self._is_over = self.is_text and is_plain, self._is_over or len(body) < len(text)
        self._size += len(text)
        self._odd += text.count("\ufffd")
        if self._is_wide:
            self._ascii += len(text.encode("ascii", errors="ignore"))

    def finish(self) -> bool:
        self.take(b"", final=True)
        if self._is_wide:
            return self.is_text and not self._odd and self._ascii * 4 >= self._size
        return self.is_text and self._odd <= 1 + self._size // _ODD_SHARE


def _storage() -> Storage:
    return storages["private"]


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise FileNotFoundError(name)
    return name


def drafts() -> Path:
    """Return the folder of this machine for what is not complete yet; it is made where it is missing."""
    folder = Path(settings.PRIVATE_DIR)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _pieces(stream: Readable) -> Iterator[bytes]:
    return iter(lambda: stream.read(_CHUNK), b"")


def _bounded(pieces: Iterable[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise DomainError(
                "file_too_large", _("The file is larger than %(most)s MB."), most=f"{limit / MEGABYTE:g}"
            )
        yield piece
    if not size:
        raise DomainError("file_empty", _("The file is empty."))


def _write(file: Path, pieces: Iterable[bytes]) -> None:
    """Write a new file with mode 0600; never overwrites one."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as target:
        for piece in pieces:
            target.write(piece)
        target.flush()
        os.fsync(target.fileno())
