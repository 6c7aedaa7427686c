"""The figures of an alert: kept as data in its text, and read out in the reader's language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from ordersite.health.models import Alert

Figures = Mapping[str, Any]
_SENTENCES: Mapping[str, str | Promise] = {
    Alert.Kind.ORDER_RATE: gettext_lazy(
        "%(seen)s orders in %(minutes)s minutes. Usual at this hour: %(usual)s, seldom less than %(low)s or more than"
        " %(high)s (median of %(weeks)s weeks). An alert from %(limit)s. Since %(since)s."
    ),
    Alert.Kind.QUIET_HOURS: gettext_lazy(
        "%(seen)s orders in %(minutes)s minutes, at an hour in which this shop takes none: it had orders then on"
        " %(awake)s of the last %(days)s days. An alert from %(limit)s. Since %(since)s."
    ),
    Alert.Kind.BUYER_BURST: gettext_lazy(
        "Buyer %(who)s: %(seen)s attempts in %(minutes)s minutes, %(refused)s of them refused. An alert from %(limit)s."
        " Since %(since)s."
    ),
    Alert.Kind.ADDRESS_BURST: gettext_lazy(
        "Address %(who)s: %(seen)s attempts in %(minutes)s minutes, %(refused)s of them refused. An alert from"
        " %(limit)s. Since %(since)s."
    ),
    Alert.Kind.MANY_REFUSED: gettext_lazy(
        "%(seen)s attempts refused in %(minutes)s minutes, beside %(orders)s orders. An alert from %(limit)s. Since"
        " %(since)s."
    ),
    Alert.Kind.MANY_HELD: gettext_lazy(
        "%(seen)s orders held in %(minutes)s minutes, of %(orders)s. An alert from %(limit)s. Since %(since)s."
    ),
}
KINDS = tuple(Alert.Kind(kind) for kind in _SENTENCES)


def written(figures: Figures) -> str:
    """Return figures as the text of an alert."""
    return json.dumps(figures, ensure_ascii=False, separators=(", ", ": "))


def figures_of(alert: Alert) -> Figures:
    """Return the figures of an alert about orders; empty for any other."""
    if alert.kind not in _SENTENCES:
        return {}
    try:
        found = json.loads(alert.text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def sentence_of(alert: Alert) -> str:
    """Say what an alert has seen, in the present language; of alerts about other things, their text."""
    figures = figures_of(alert)
    if not figures:
        return alert.text
    since = timezone.localtime(datetime.fromisoformat(figures["since"]))
    return _SENTENCES[alert.kind] % {**figures, "since": f"{since:%Y-%m-%d %H:%M}"}


def address_of(alert: Alert) -> str:
    """Return the address (path and query) of the page with an alert's orders; empty for alerts about other things."""
    figures = figures_of(alert)
    if not figures:
        return ""
    return f"{reverse('admin:orders_minutecount_changelist')}?{urlencode({'merchant': figures['merchant']})}"
