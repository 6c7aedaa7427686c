"""The refusals of a whole call, as the schema names them."""

from __future__ import annotations

from collections.abc import Mapping

REFUSALS: Mapping[int, str] = {
    400: "A field is not right; `details` names it. Nothing was changed.",
    401: "No token, or an unknown one.",
    403: "The token has not the scope `shipments:write`.",
    406: "Only JSON is spoken here.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    429: "More requests than this client may make; see Retry-After.",
    503: "The database is busy or away; see Retry-After.",
}
