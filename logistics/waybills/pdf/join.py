"""Joins the pages of many PDF files into one, written as it goes: memory holds one file's objects at a time.

A writer of pypdf keeps all objects until the end. Here it only reads and copies each file; its objects get numbers
after those of the files before. The form of the file: ISO 32000-1, 7.5 (body, cross-reference table, trailer).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import IO

from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, NameObject, PdfObject

from logistics.waybills.pdf.draw import label_unreadable
from ordersite.lib.errors import DomainError

# Of one label; carriers send one, or one for each part of a parcel.
MOST_PAGES = 20
_CATALOG, _PAGES = 1, 2
# What a label needs not: links, scripts, forms and the like.
_DROPPED = ("/Annots", "/AA", "/B", "/StructParents", "/PZ", "/Metadata")


class JoinedPdf:
    """One PDF that grows at the end of `out`. `add` the files, then `close` with the order of their pages."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._offsets: dict[int, int] = {}
        self._last = _PAGES
        self._size = 0
        self._write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")

    def add(self, file: bytes, *, most_pages: int = MOST_PAGES) -> list[int]:
        """Copy the pages of a file and return their numbers for `close`.

        Raises `DomainError` label_unreadable for a file that is broken, locked by a password or has too many pages;
        nothing of it is copied then.
        """
        pages, objects = _copied(file, most_pages)
        base = self._last
        self._last += max(objects)
        for number, one in objects.items():
            body = BytesIO()
            _renumbered(one, base).write_to_stream(body)
            self._object(base + number, body.getvalue())
        return [base + page for page in pages]

    def close(self, pages: Sequence[int]) -> None:
        """Write the tree of these pages, the table and the trailer."""
        kids = " ".join(f"{page} 0 R" for page in pages)
        self._object(_PAGES, f"<< /Type /Pages /Count {len(pages)} /Kids [ {kids} ] >>".encode())
        self._object(_CATALOG, f"<< /Type /Catalog /Pages {_PAGES} 0 R >>".encode())
        start, size = self._size, self._last + 1
        self._write(f"xref\n0 {size}\n0000000000 65535 f \n".encode())
        for number in range(1, size):
            offset = self._offsets.get(number)
            self._write(b"0000000000 65535 f \n" if offset is None else f"{offset:010} 00000 n \n".encode())
        self._write(f"trailer\n<< /Size {size} /Root {_CATALOG} 0 R >>\nstartxref\n{start}\n%%EOF\n".encode())

    def _object(self, number: int, body: bytes) -> None:
        self._offsets[number] = self._size
        self._write(b"%d 0 obj\n%b\nendobj\n" % (number, body))

    def _write(self, piece: bytes) -> None:
        self._out.write(piece)
        self._size += len(piece)


def _copied(file: bytes, most_pages: int) -> tuple[list[int], Mapping[int, PdfObject]]:
    """The numbers of a file's pages and all objects that they need, by number."""
    try:
        reader = PdfReader(BytesIO(file), strict=False)
        if reader.is_encrypted or not 0 < len(reader.pages) <= most_pages:
            raise label_unreadable()
        writer = PdfWriter()
        for page in reader.pages:
            for name in _DROPPED:
                page.pop(name, None)
            writer.add_page(page)
        return _needed(writer)
    except DomainError:
        raise
    except Exception as error:  # the edge: pypdf raises all kinds of errors for what is no PDF
        raise label_unreadable() from error


def _needed(writer: PdfWriter) -> tuple[list[int], Mapping[int, PdfObject]]:
    """Walk from the pages; their parent becomes the one tree of pages."""
    pages = [page.indirect_reference for page in writer.pages]
    waiting = [page.idnum for page in pages if page is not None]
    numbers, found = list(waiting), dict[int, PdfObject]()
    for page in writer.pages:
        page.pop("/Parent", None)
    while waiting:
        number = waiting.pop()
        if number in found:
            continue
        one = writer._objects[number - 1]
        if one is None:
            raise label_unreadable()
        found[number] = one
        waiting += _references(one)
    return numbers, found


def _references(one: PdfObject) -> Iterator[int]:
    """The numbers of the objects that one names."""
    if isinstance(one, IndirectObject):
        yield one.idnum
    elif isinstance(one, DictionaryObject):
        for name in one:
            yield from _references(one.raw_get(name))
    elif isinstance(one, ArrayObject):
        for item in list.__iter__(one):
            yield from _references(item)


def _renumbered(one: PdfObject, base: int) -> PdfObject:
    """The object with its references moved by `base`, changed in place; a page gets its parent."""
    if isinstance(one, IndirectObject):
        return IndirectObject(one.idnum + base, 0, one.pdf)
    if isinstance(one, DictionaryObject):
        for name in list(one):
            dict.__setitem__(one, name, _renumbered(one.raw_get(name), base))
        if one.get("/Type") == "/Page":
            dict.__setitem__(one, NameObject("/Parent"), IndirectObject(_PAGES, 0, None))
    elif isinstance(one, ArrayObject):
        for place, item in enumerate(list.__iter__(one)):
            list.__setitem__(one, place, _renumbered(item, base))
    return one
