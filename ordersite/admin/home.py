"""The home page of the back office: counts of the rows that wait, with their age, each linked to its list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from logistics.models import ShipmentException
from orders.approvals import kinds, notify
from orders.approvals.change_kind import ChangeKind
from orders.models import HoldReview, Order, OrderStatus
from ordersite.admin.order_labels import STATUS_TONES
from ordersite.health.heartbeat import Standstill, missing_processes, standing_still
from ordersite.health.models import Alert
from ordersite.lib.adminkit.confirmed import person
from ordersite.queue.models import Delivery
from payments.manual.revive import REVIVAL
from payments.manual.settle import SETTLEMENT
from payments.models import PaymentException, PaymentNotification
from payments.refunds.approval import REFUND

# Counts on the home page stop here: beyond it nobody reads them exactly.
MOST = 1_000
# Somebody tried an address and nothing was applied.
_HARMLESS = frozenset({PaymentException.Kind.BAD_SIGNATURES})
_OPEN_CASES = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM payments_paymentexception WHERE resolved_at IS NULL LIMIT %s) AS p),
       (SELECT count(*) FROM (SELECT 1 FROM logistics_shipmentexception WHERE resolved_at IS NULL LIMIT %s) AS s),
       (SELECT count(*) FROM payments_settlementrequest WHERE status = 'proposed' AND proposer_id <> %s),
       (SELECT count(*) FROM payments_revivalrequest WHERE status = 'proposed' AND proposer_id <> %s),
       (SELECT count(*) FROM payments_refundrequest WHERE status = 'proposed' AND proposer_id <> %s),
       (SELECT count(*) FROM orders_changerequest
        WHERE status = 'proposed' AND proposer_id <> %s AND kind IN ({kinds})),
       (SELECT count(*) FROM (SELECT 1 FROM orders_holdreview WHERE state = 'open' LIMIT %s) AS h)
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A number with a word, where its rows are, since when the oldest waits (UTC), and for whom."""

    label: str | Promise
    count: str
    url: str
    oldest: datetime | None = None
    tone: str = "plain"
    people: str = ""


def fill_home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of unfold's index page, with the tiles that this person may see."""
    may = request.user.has_perm
    context["title"] = _("Workbench")
    context["queues"] = [
        *_reviews(request),
        *_own_requests(request),
        *(_holds() if may("orders.view_holdreview") else []),
        *(_cases(PaymentException, "payments") if may("payments.view_paymentexception") else []),
        *(_cases(ShipmentException, "logistics") if may("logistics.view_shipmentexception") else []),
    ]
    context["states"] = _states() if may("orders.view_order") else []
    context["lights"] = _lights(request)
    return context


def _holds() -> list[Waiting]:
    """A tile for the held orders that wait for a decision; late ones are marked there."""
    rows = HoldReview.objects.open()
    oldest = rows.order_by("opened_at").values_list("opened_at", flat=True).first()
    address = reverse("admin:orders_holdreview_changelist")
    return [Waiting(_("held orders to review"), capped(rows), address, oldest, "bad")] if oldest else []


def _cases(model: type[PaymentException] | type[ShipmentException], app: str) -> list[Waiting]:
    """The open cases by kind, the oldest first; those about which no money hangs come last."""
    rows = (
        model.objects.open()
        .order_by()
        .values("kind")
        .annotate(count=Count("id"), oldest=Min("created_at"))
        .order_by("oldest")
    )
    address = reverse(f"admin:{app}_{model._meta.model_name}_changelist")
    labels = dict(model.Kind.choices)
    tiles = [
        Waiting(labels.get(row["kind"], row["kind"]), f"{row['count']:,}", f"{address}?kind__exact={row['kind']}",
                row["oldest"], "plain" if row["kind"] in _HARMLESS else "bad")
        for row in rows
    ]  # fmt: skip
    return sorted(tiles, key=lambda tile: tile.tone == "plain")


def _reviews(request: HttpRequest) -> list[Waiting]:
    """Return a tile for each kind of request that this person may approve. Their own proposals do not count."""
    user = person(request)
    found = [
        _review(kind, user) for kind in kinds.registered() if kind.tile and user.has_perm(kind.may_approve)
    ]
    return [tile for tile in found if tile is not None]


def _review(kind: kinds.ApprovalKind[Any], user: User) -> Waiting | None:
    rows = notify.waiting_for(kind, user)
    oldest = rows.order_by(kind.since_column).values_list(kind.since_column, flat=True).first()
    address = reverse(kind.list_url_name) + "?state=for_me"
    return Waiting(kind.tile, capped(rows), address, oldest, "waiting") if oldest else None


def _own_requests(request: HttpRequest) -> list[Waiting]:
    """A tile for what this person handed in and a colleague has to decide, with the names of those who may."""
    user = person(request)
    asks = [one for one in kinds.registered() if one.own_tile and user.has_perm(one.may_propose)]
    return [tile for one in asks if (tile := _own_request(one, user)) is not None]


def _own_request(kind: kinds.ApprovalKind[Any], user: User) -> Waiting | None:
    rows = notify.waiting_of(kind, user)
    oldest = rows.order_by(kind.since_column).values_list(kind.since_column, flat=True).first()
    if oldest is None:
        return None
    address = reverse(kind.list_url_name) + "?state=mine"
    people = notify.names_of(notify.approvers_of(kind, user.pk))
    return Waiting(
        kind.own_tile, capped(rows), address, oldest, "moving", people or str(_("nobody may decide it"))
    )


def _states() -> list[Waiting]:
    address = reverse("admin:orders_order_changelist")
    states = [
        Waiting(
            OrderStatus(status).label,
            capped(Order.objects.filter(status=status)),
            f"{address}?status__exact={status}",
            tone=STATUS_TONES[status],
        )
        for status in (OrderStatus.PENDING, OrderStatus.PAID, OrderStatus.SHIPPED)
    ]
    held = Waiting(_("held"), capped(Order.objects.held()), f"{address}?held__exact=1", tone="bad")
    return [*states, held]


def _lights(request: HttpRequest) -> list[Waiting]:
    """Return the depth and age of the work queues."""
    lights = []
    if request.user.has_perm("payments.view_paymentnotification"):
        waiting = PaymentNotification.objects.waiting()
        lights.append(
            _light(
                _("notifications waiting"),
                waiting,
                "received_at",
                "admin:payments_paymentnotification_changelist",
                query="?outcome=waiting",
            )
        )
    if request.user.has_perm("rails.view_delivery"):
        waiting_deliveries = Delivery.objects.filter(parked_at__isnull=True)
        parked = Delivery.objects.filter(parked_at__isnull=False)
        address = "admin:rails_delivery_changelist"
        lights.append(_light(_("deliveries waiting"), waiting_deliveries, "event_at", address))
        lights.append(_light(_("deliveries parked"), parked, "event_at", address, query="?state=parked"))
    if request.user.has_perm("health.view_alert"):
        lights.append(_alert_light())
        lights += _clock_lights()
    return lights


def _alert_light() -> Waiting:
    rows = Alert.objects.filter(closed_at__isnull=True)
    oldest = rows.order_by("opened_at").values_list("opened_at", flat=True).first()
    address = reverse("admin:health_alert_changelist") + "?state=open"
    return Waiting(_("open alerts"), capped(rows), address, oldest, "bad" if oldest else "good")


def _clock_lights() -> list[Waiting]:
    """Lights when processes or work by the clock stand still: then nobody may be there either to raise an alert of it."""
    now = timezone.now()
    lights = []
    if late := standing_still(now):
        lights.append(_standing_light(_("tasks of the clock stand still"), late))
    if missing := missing_processes(now):
        names = ", ".join(one.task for one in missing)
        lights.append(_standing_light(_("processes not seen: %(names)s") % {"names": names}, missing))
    return lights


def _standing_light(label: str | Promise, late: list[Standstill]) -> Waiting:
    since = min((one.since for one in late if one.since), default=None)
    return Waiting(
        label, f"{len(late)}", reverse("admin:health_alert_changelist") + "?state=open", since, "bad"
    )


def open_alerts(request: HttpRequest) -> str | None:
    """Return the badge of the navigation: open alerts."""
    return _text(Alert.objects.filter(closed_at__isnull=True)[: MOST + 1].count()) or None


def _light(label: Promise, rows: QuerySet[Any], column: str, url_name: str, query: str = "") -> Waiting:
    oldest = rows.order_by("id").values_list(column, flat=True).first()
    return Waiting(label, capped(rows), reverse(url_name) + query, oldest, "waiting" if oldest else "good")


def capped(rows: QuerySet[Any]) -> str:
    """Count rows, at most MOST of them."""
    return _text(rows.order_by().values("pk")[: MOST + 1].count()) or "0"


def _open_cases(request: HttpRequest) -> tuple[str, ...]:
    """Open payment and shipment exceptions; settlements, revivals and refunds of others that wait for review. One
    statement a request, since every page shows them."""
    kept: tuple[str, ...] | None = getattr(request, "open_cases", None)
    if kept is None:
        with connection.cursor() as cursor:
            changes = _kinds_of_change(request)
            statement = _OPEN_CASES.format(kinds=", ".join(["%s"] * len(changes)))
            cursor.execute(statement, [MOST + 1, MOST + 1, *[request.user.pk] * 4, *changes, MOST + 1])
            kept = tuple(map(_text, cursor.fetchone()))
        request.open_cases = kept  # type: ignore[attr-defined]  # lives as long as the request
    return kept


def open_payment_exceptions(request: HttpRequest) -> str | None:
    """Return the badge of the navigation: open cases."""
    return _open_cases(request)[0] or None


def open_shipment_exceptions(request: HttpRequest) -> str | None:
    """Return the badge of the navigation: open cases."""
    return _open_cases(request)[1] or None


def reviews_of_holds(request: HttpRequest) -> str | None:
    """Return the badge of the navigation: held orders that wait for a decision."""
    return _open_cases(request)[6] or None


def settlements_to_review(request: HttpRequest) -> str | None:
    """Return the badge of the navigation: requests that this person may decide about."""
    return _open_cases(request)[2] or None if request.user.has_perm(SETTLEMENT.may_approve) else None


def revivals_to_review(request: HttpRequest) -> str | None:
    """Return the badge of the navigation: requests that this person may decide about."""
    return _open_cases(request)[3] or None if request.user.has_perm(REVIVAL.may_approve) else None


def refunds_to_approve(request: HttpRequest) -> str | None:
    """Return the badge of the navigation: requests that this person may decide about."""
    return _open_cases(request)[4] or None if request.user.has_perm(REFUND.may_approve) else None


def changes_to_review(request: HttpRequest) -> str | None:
    """Return the badge of the navigation: changes of the kinds that this person may decide about."""
    return _open_cases(request)[5] or None


def _kinds_of_change(request: HttpRequest) -> list[str]:
    """Return the query parameters: for each kind of change its code, or "" where the person lacks the right."""
    kinds_of_change = [one for one in kinds.registered() if isinstance(one, ChangeKind)]
    return [one.code.value if request.user.has_perm(one.may_approve) else "" for one in kinds_of_change]


def _text(count: int) -> str:
    if not count:
        return ""
    return f"{MOST:,}+" if count > MOST else f"{count:,}"
