"""The vendor's side in tests: an account whose addresses are the server's, its answers, and what it received."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from pytest_httpserver import HTTPServer

from logistics.carriers.types import CarrierKeys

SECRETS = {"key": "KEY", "secret": "SECRET", "salt": "SALT", "partnerKey": "PKEY"}


def account_of(server: HTTPServer, **config: str) -> CarrierKeys:
    addresses = {
        f"{name}_url": server.url_for(f"/{name}") for name in ("query", "subscribe", "label", "recognise")
    }
    label = {"partnerId": "MONTHLY1", "net": "广东福田"}
    return CarrierKeys(
        "kuaidi100", "demo", {"customer": "CUSTOMER", **addresses, **label, **config}, SECRETS, "1"
    )


def answer(server: HTTPServer, path: str, content: object, *, status: int = 200) -> None:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    server.expect_request(path).respond_with_data(text, status=status)


def received_form(server: HTTPServer) -> dict[str, str]:
    """The fields of the only form that arrived."""
    ((request, _response),) = server.log
    fields = parse_qs(request.get_data().decode(), strict_parsing=True, keep_blank_values=True)
    return {name: value for name, [value] in fields.items()}


def received_param(server: HTTPServer) -> dict[str, Any]:
    param: dict[str, Any] = json.loads(received_form(server)["param"])
    return param
