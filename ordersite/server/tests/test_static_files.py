"""Static files with hashed names: what a real installation serves. All other tests see plain names."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.templatetags.static import static
from django.test import Client, override_settings

from orders.tests.builders import build_order
from ordersite.health.static_files import check_static_files

HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")
NAMED = re.compile(r"""(?:href|src)=["'](/static/[^"'?#]+)""")
FOR_EVER = "max-age=315360000, public, immutable"


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Path]:
    """A folder of two files, built and served as those of the product are."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "site.css").write_text("@font-face { src: url('text.woff2') }")
    (folder / "text.woff2").write_bytes(b"a font")
    finders = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    with override_settings(
        STATICFILES_DIRS=[folder], STATICFILES_FINDERS=finders, STATIC_ROOT=tmp_path / "built"
    ):
        call_command("collectstatic", interactive=False, verbosity=0)
        yield folder


def content_of(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def look_again() -> None:
    """As the next process does."""
    storage: Any = staticfiles_storage
    storage.hashed_files, storage.manifest_hash = storage.load_manifest()


def files_of(page: str, client: Client) -> list[str]:
    answer = client.get(page)
    assert answer.status_code == 200, page
    found = NAMED.findall(answer.content.decode())
    assert found, page
    return found


@pytest.mark.postgres
@pytest.mark.django_db
def test_every_page_names_files_by_content(tmp_path: Path) -> None:
    """The theme's and the API page's files among them: all are there, compressed and kept for ever."""
    with override_settings(STATIC_ROOT=tmp_path):
        call_command("collectstatic", interactive=False, verbosity=0)
        look_at_pages()


def look_at_pages() -> None:
    person = Client()
    person.force_login(User.objects.create_superuser("boss", password="x"))
    order = build_order()
    pages = ["/admin/", "/admin/orders/order/", f"/admin/orders/order/{order.pk}/change/"]
    named = {name for page in pages for name in files_of(page, person)}
    for page in ("/accounts/login/", "/admin/login/", "/api/docs/", f"/track/{order.tracking_token}/"):
        named |= set(files_of(page, Client()))

    assert {name for name in named if not HASHED.search(name)} == set()
    client = Client()
    for name in sorted(named):
        answer = client.get(name, headers={"accept-encoding": "gzip"})
        content = content_of(answer)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, FOR_EVER), name
        if name.endswith((".css", ".js")) and len(content) > 500:
            assert answer.headers["Content-Encoding"] == "gzip", name
            gzip.decompress(content)


def test_style_sheet_names_its_font_by_content(sources: Path) -> None:
    name = static("site.css")
    assert HASHED.search(name)
    text = (sources.parent / "built" / name.removeprefix("/static/")).read_text()
    assert re.search(r"url\(\"text\.[0-9a-f]{12}\.woff2\"\)", text)
    assert check_static_files() == []


def test_changed_source_has_its_plain_name(sources: Path) -> None:
    """Never an old style sheet: what was built from other sources is not used, and a check says so."""
    (sources / "site.css").write_text("p { margin: 0 }")
    look_again()
    assert static("site.css") == "/static/site.css"
    assert [one.id for one in check_static_files()] == ["ordersite.W012"]
    assert b"margin" in content_of(Client().get("/static/site.css"))

    call_command("collectstatic", interactive=False, verbosity=0)
    look_again()
    assert HASHED.search(static("site.css"))
    assert check_static_files() == []


def test_unknown_file_breaks_no_page(sources: Path) -> None:
    assert static("no/such.css") == "/static/no/such.css"


def test_nothing_built_is_reported() -> None:
    assert static("ordersite/site.css") == "/static/ordersite/site.css"
    assert [one.id for one in check_static_files()] == ["ordersite.W012"]
