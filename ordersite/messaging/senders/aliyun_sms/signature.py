"""Aliyun's signature V3, ACS3-HMAC-SHA256. Pure functions.

Source: help.aliyun.com/document_detail/2593177.html, whose example with fixed values is in the tests.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

ALGORITHM = "ACS3-HMAC-SHA256"
NO_BODY = hashlib.sha256(b"").hexdigest()


def query_of(parameters: Mapping[str, str]) -> str:
    """The parameters as a query string, sorted and encoded as the signature wants them; send exactly this."""
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in sorted(parameters.items()))


def authorization(url: str, headers: Mapping[str, str], *, key_id: str, secret: str) -> str:
    """The value of the header Authorization for a POST without a body.

    `headers` are all that are signed, in lower case: host, x-acs-content-sha256 and the other x-acs ones.
    """
    parts, names = urlsplit(url), sorted(headers)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    signed = ";".join(names)
    request = "\n".join(("POST", parts.path or "/", parts.query, lines, signed, NO_BODY))
    text = f"{ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Credential={key_id},SignedHeaders={signed},Signature={signature}"


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")
