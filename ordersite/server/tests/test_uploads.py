"""Large bodies and files: where they are handed in and by the staff, nowhere else and by nobody else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.test import Client, RequestFactory

from ordersite.lib.files.uploads import MEGABYTE, takes_files
from ordersite.people.password_again import is_asked_before
from ordersite.server.uploads import may_upload

pytestmark = pytest.mark.django_db
UPLOADS = ("/admin/payments/statement/add/", "/admin/payments/settlementrequest/add/")
ELSEWHERE = (
    "/accounts/login/",
    "/checkout/",
    "/admin/login/",
    "/admin/payments/statement/",
    "/accounts/password/",
)


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[str]:
    """The names of files of which a byte was kept, on disk from the first one."""
    kept: list[str] = []
    settings.FILE_UPLOAD_HANDLERS = [
        "ordersite.lib.files.uploads.BoundedUploadHandler",
        "django.core.files.uploadhandler.TemporaryFileUploadHandler",
    ]
    real = TemporaryFileUploadHandler.receive_data_chunk

    def note(handler: TemporaryFileUploadHandler, raw_data: bytes, start: int) -> None:
        kept.append(str(handler.file_name))
        real(handler, raw_data, start)

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", note)
    return kept


def send(client: Client, path: str, size: int) -> int:
    return client.post(path, {"file": SimpleUploadedFile("x.csv", b"x" * size)}).status_code


def client_of(*, is_staff: bool) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("somebody", is_staff=is_staff))
    client.cookies["csrftoken"] = "x" * 32  # without it a form is refused unread
    return client


@pytest.mark.parametrize("path", [*UPLOADS, *ELSEWHERE])
def test_anonymous_file_is_kept_nowhere(stored: list[str], path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "x" * 32
    assert send(client, path, MEGABYTE // 2) in (302, 403, 404)
    assert send(client, path, 2 * MEGABYTE) in (302, 400, 404)
    assert stored == []


def test_a_merchants_file_is_kept_nowhere(stored: list[str]) -> None:
    client = client_of(is_staff=False)
    for path in UPLOADS:
        assert send(client, path, 1000) == 403
    assert stored == []


def test_file_of_the_staff_is_kept_where_it_belongs(stored: list[str]) -> None:
    client = client_of(is_staff=True)
    for path in ELSEWHERE:
        send(client, path, 1000)
    assert stored == []
    send(client, UPLOADS[0], 2 * MEGABYTE)
    assert set(stored) == {"x.csv"}


def test_a_form_without_files_is_read_as_ever() -> None:
    request = RequestFactory().post("/checkout/", {"name": "王小明", "quantity": "1"})
    assert (request.POST["name"], list(request.FILES)) == ("王小明", [])


def test_every_form_with_a_file_has_its_address() -> None:
    forms = [
        path.name
        for path in Path(configured.BASE_DIR, "templates").rglob("*.html")
        if "multipart" in path.read_text()
    ]
    assert {"settle.html", "statement_upload.html"} == {*forms} - {"password_again.html"}
    assert not any(map(is_asked_before, UPLOADS))
    assert [takes_files(path) for path in UPLOADS] == [True, True]
    assert not any(map(takes_files, (*ELSEWHERE, f"{UPLOADS[0]}x/", f"/x{UPLOADS[0]}", UPLOADS[0][:-1])))


@pytest.mark.django_db(transaction=True)
def test_only_a_session_of_the_staff_may_upload() -> None:
    staff, merchant = client_of(is_staff=True), Client()
    merchant.force_login(User.objects.create_user("merchant"))

    def cookie(client: Client) -> dict[str, str]:
        return {"HTTP_COOKIE": f"a=b; {configured.SESSION_COOKIE_NAME}={client.session.session_key}"}

    assert may_upload(cookie(staff))
    assert not may_upload(cookie(merchant))
    assert not may_upload({})
    assert not may_upload({"HTTP_COOKIE": f"{configured.SESSION_COOKIE_NAME}=forged"})
    User.objects.filter(username="somebody").update(is_active=False)
    assert not may_upload(cookie(staff))


def test_nginx_takes_large_bodies_there_alone() -> None:
    text = Path(configured.BASE_DIR, "deploy", "nginx.conf").read_text()
    server = text[text.index("listen 443") : text.index("listen 80;")]
    locations = dict(re.findall(r"location ([^{]+) {(.*?)\n    }", server, re.DOTALL))
    largest = {name: re.findall(r"client_max_body_size (\w+);", body) for name, body in locations.items()}
    uploads = next(name for name in locations if "statement" in name)
    assert {name for name, sizes in largest.items() if sizes == ["320m"]} == {uploads}
    assert "client_max_body_size 1m;" in server.partition("location")[0]
    assert largest["/"] == []
    pattern = uploads.removeprefix("~ ")
    assert [bool(re.search(pattern, path)) for path in UPLOADS] == [True, True]
    assert not any(re.search(pattern, path) for path in ELSEWHERE)
    assert all("limit_conn callers" in locations[name] for name in ("/", uploads))
