"""The variables of message texts: a fixed list of names in braces. Nothing else is looked up, called or formatted.

A value is never read again as a text with variables, so what a buyer or product is called cannot add one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

VARIABLES: Mapping[str, Promise] = {
    "shop": lazy("name of the shop"),
    "order_number": lazy("order number"),
    "amount": lazy("total of the order, in yuan"),
    "refunded_amount": lazy("refunded amount, in yuan"),
    "products": lazy("the first product, and how many more"),
    "link": lazy("tracking page of the order"),
    "carrier": lazy("carrier"),
    "tracking_number": lazy("waybill number"),
}
# Only a message about one parcel has them.
OF_A_PARCEL = frozenset({"carrier", "tracking_number"})
_VARIABLE = re.compile(r"\{([a-z_]{1,30})\}", re.ASCII)
_LONGEST_VALUE = 200


def variables_in(text: str) -> list[str]:
    """The names of the variables of a text, each once, in the order of their first place."""
    return list(dict.fromkeys(name for name in _VARIABLE.findall(text) if name in VARIABLES))


def problems_of(text: str, *, allowed: Sequence[str] = tuple(VARIABLES)) -> list[str]:
    """What is wrong with a text, in the reader's language: an unknown variable, or a brace that belongs to none."""
    found = [
        _("There is no variable %(name)s here.") % {"name": "{" + name + "}"}
        for name in dict.fromkeys(_VARIABLE.findall(text))
        if name not in allowed
    ]
    if re.search(r"[{}]", _VARIABLE.sub("", text)):
        found.append(_("A brace stands alone: variables are written like {order_number}."))
    if any(_is_control(sign) for sign in text.replace("\r\n", "\n").replace("\n", "")):
        found.append(_("The text has a sign that cannot be shown."))
    return found


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put the values in the places of their variables, in one pass. A variable without a value becomes empty.

    Raises ValueError for a text that `problems_of` finds wrong.
    """
    if problems_of(text):
        raise ValueError("the text has wrong variables")
    return _VARIABLE.sub(lambda found: values.get(found[1], ""), text)


def one_line(value: str) -> str:
    """A value as it may stand in a message: one line, without signs that cannot be shown, at most 200 signs long."""
    return "".join(" " if _is_control(sign) else sign for sign in value).strip()[:_LONGEST_VALUE]


def _is_control(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp", "Cs")
