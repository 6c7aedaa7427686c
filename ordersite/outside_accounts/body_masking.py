"""Hides secrets and personal data in what is kept of a call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from urllib.parse import quote, quote_plus

from ordersite.lib.masking import mask_phones

MOST_BODY = 4000
HIDDEN = "•••"
# Shorter texts occur everywhere; a body in which each of them is hidden cannot be read.
LEAST_HIDDEN = 2


def masker(texts: Iterable[str]) -> Callable[[bytes], str]:
    """A function that returns the beginning of a body without these texts, in whatever form, and without phones."""
    forms = _forms_of(texts)

    def mask(body: bytes) -> str:
        text = body[: 2 * MOST_BODY].decode("utf-8", "replace").replace("\0", "�")
        for hidden in forms:
            text = text.replace(hidden, HIDDEN)
        return mask_phones(text)[:MOST_BODY]

    return mask


def _forms_of(texts: Iterable[str]) -> list[str]:
    """Each text as it may stand in a body: plain, in JSON, in a form, in JSON in a form; the longest first."""
    forms: set[str] = set()
    for text in texts:
        if len(text) < LEAST_HIDDEN:
            continue
        in_json = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        plain = {text, *in_json}
        forms |= plain | {quote_plus(one) for one in plain} | {quote(one, safe="") for one in plain}
    return sorted(forms, key=len, reverse=True)
