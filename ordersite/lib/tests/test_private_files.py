"""What people hand in: kept apart, named by chance, known by its content."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ordersite.health.private_storage import check_private_storage
from ordersite.lib.errors import DomainError
from ordersite.lib.files import private
from ordersite.lib.tests.elsewhere import use_elsewhere

PDF = b"%PDF-1.7\n1 0 obj\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def archive(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        for name in names:
            target.writestr(name, "x")
    return made.getvalue()


def keep(content: bytes, *, limit: int = 1000, kinds: tuple[str, ...] = private.KINDS) -> str:
    return private.save(io.BytesIO(content), limit=limit, kinds=kinds)


def left(settings: Any) -> list[Path]:
    folder = Path(settings.PRIVATE_DIR)
    return sorted(folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PDF, "pdf"),
        (PNG, "png"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "jpeg"),
        ("流水号,金额\n1,2.00\n".encode("gb18030"), "csv"),
        ("\ufeff流水号\t金额\r\n".encode(), "csv"),
        (archive("a.csv"), "zip"),
        (archive("[Content_Types].xml", "xl/workbook.xml"), "xlsx"),
    ],
)
def test_kind_is_read_from_the_content(content: bytes, kind: str) -> None:
    name = keep(content)
    assert name.endswith(f".{kind}")
    with private.open(name) as kept:
        assert kept.read() == content


def test_only_the_owner_may_read_it(settings: Any) -> None:
    name = keep(PDF)
    assert (Path(settings.PRIVATE_DIR) / name).stat().st_mode & 0o777 == 0o600
    assert Path(settings.PRIVATE_DIR).stat().st_mode & 0o077 == 0
    assert name != keep(PDF)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file_empty"),
        (PDF + bytes(1000), "file_too_large"),
        (b"MZ\x90\x00\x03", "file_kind_refused"),
        (b"\xff\xfe\xff\xff\xff", "file_kind_refused"),
        (b"PK\x03\x04 but no archive", "file_kind_refused"),
        (b"<svg onload=1>\x00", "file_kind_refused"),
    ],
)
def test_refused_file_leaves_nothing(settings: Any, content: bytes, code: str) -> None:
    with pytest.raises(DomainError) as refused:
        keep(content)
    assert refused.value.code == code
    assert left(settings) == []


def test_a_kind_that_is_not_wanted_is_refused(settings: Any) -> None:
    with pytest.raises(DomainError) as refused:
        keep(b"a,b\n", kinds=("pdf", "png"))
    assert refused.value.message.endswith("pdf, png。") or refused.value.message.endswith("pdf, png.")
    assert left(settings) == []


@pytest.mark.parametrize("name", ["../settings.py", "", "x.pdf", "/etc/passwd", f"{'0' * 32}.exe"])
def test_no_other_name_opens(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        private.open(name)


@pytest.mark.django_db  # an answer that is closed looks after the connections
def test_download_headers_prevent_sniffing() -> None:
    answer = private.attachment(keep(b"<script>alert(1)</script>\n"), "证据.csv")
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    answer.close()


def test_a_removed_file_is_gone(settings: Any) -> None:
    name = keep(PDF)
    private.remove(name)
    private.remove(name)
    assert left(settings) == []


def test_archive_with_huge_name_list_is_not_read() -> None:
    """Its directory would be read as a whole, at six times its size in memory."""
    names = [f"{number:0200d}.csv" for number in range(2_500)]
    with pytest.raises(DomainError) as refused:
        keep(archive(*names), limit=10_000_000)
    assert refused.value.code == "file_kind_refused"


def test_storage_without_paths_is_enough(settings: Any) -> None:
    kept = use_elsewhere(settings)
    content = PDF + bytes(3_000_000)
    name = keep(content, limit=4_000_000)
    assert (list(kept), kept[name] == content) == ([name], True)

    with private.open(name) as stored:
        assert stored.read(8) == content[:8]
    with private.local(name) as file:
        assert file.fileno() > 2
        assert file.read() == content
        assert file.seek(0) == 0
    assert left(settings) == []
    private.remove(name)
    assert kept == {}
    with pytest.raises(FileNotFoundError):
        private.open(name)


def test_file_of_this_machine_is_not_copied(settings: Any) -> None:
    name = keep(PDF)
    with private.local(name) as file:
        assert file.name == str(Path(settings.PRIVATE_DIR) / name)


@pytest.mark.django_db
def test_download_streams_from_another_storage(settings: Any) -> None:
    use_elsewhere(settings)
    content = PDF + bytes(2_000_000)
    answer = private.attachment(keep(content, limit=4_000_000), "x.pdf")
    assert answer["Content-Length"] == str(len(content))
    assert b"".join(answer) == content
    answer.close()


def test_unusable_storage_is_an_error(settings: Any) -> None:
    assert check_private_storage() == []
    for place, options in [("no.such.Storage", {}), ("django.core.files.storage.InMemoryStorage", {"x": 1})]:
        settings.STORAGES = {**settings.STORAGES, "private": {"BACKEND": place, "OPTIONS": options}}
        assert [one.id for one in check_private_storage()] == ["ordersite.E011"]
