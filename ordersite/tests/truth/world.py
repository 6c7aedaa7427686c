"""Our side of that world, driven through its real entrances: HTTP calls, the loops of the workers, the desks' doors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import time_machine
from django.test import Client
from pytest_httpserver import HTTPServer

from logistics.dispatch.confirm import Confirmation, ProductQuantity, confirm_shipments
from logistics.models import Warehouse
from orders import closing, machine
from orders.history.lines import Actor
from orders.machine import Action
from orders.models import Merchant, Order, TransitionRule
from orders.tests.builders import build_merchant, build_order
from ordersite import relay
from ordersite.lib.errors import DomainError
from ordersite.tests.truth.accident import dying_at
from ordersite.tests.truth.bank import SECRET, Bank, signed
from payments.accounts.save import save_account
from payments.attempts import start
from payments.lifecycle.closing import finish_closing
from payments.models import Payment, PaymentAccount, PaymentNotification
from payments.notifications.apply import drain_notifications
from payments.polling import poll

ACCOUNTS = ("north", "south")
STAFF = Actor("staff", "anna")


class World:
    """`ours` runs something on our side, perhaps up to a death; what the domain refuses is an answer like any other."""

    def __init__(self, server: HTTPServer, clock: time_machine.Traveller) -> None:
        self.server, self.clock = server, clock
        self.bank = Bank()
        server.clear()
        server.expect_request("/pay").respond_with_handler(self.bank.answer)
        server.expect_request("/query").respond_with_handler(self.bank.answer)
        server.expect_request("/close").respond_with_handler(self.bank.answer)
        server.expect_request("/refund").respond_with_handler(self.bank.answer)
        self.shop: Merchant = build_merchant("truth")
        self.accounts = [self._account(slug) for slug in ACCOUNTS]
        Warehouse.objects.get_or_create(merchant=self.shop, slug="main", defaults={"name": "main"})
        self.orders: list[int] = []
        self.http = Client()

    def _account(self, slug: str) -> PaymentAccount:
        urls = {
            f"{name}_url": self.server.url_for(f"/{name}") for name in ("pay", "query", "close", "refund")
        }
        values = {"secret": f"whsec_{SECRET}", **urls}
        return save_account(slug, provider="webhook", merchant=self.shop, values=values)

    def ours(self, work: Callable[[], Any], *, death: int | None = None) -> None:
        with dying_at(death):
            try:
                work()
            except DomainError:
                pass

    def wait(self, minutes: float) -> None:
        self.clock.shift(timedelta(minutes=minutes))

    def order(self, index: int) -> Order:
        return Order.objects.get(pk=self.orders[index % len(self.orders)])

    def payments(self) -> list[Payment]:
        return list(Payment.objects.filter(order_id__in=self.orders).order_by("pk").select_related("account"))

    def new_order(self, fen: int) -> None:
        """Of two pieces, where the sum can be halved."""
        total, pieces = f"{Decimal(fen) / 100:.2f}", 1 + (fen % 2 == 0)
        self.orders.append(build_order(merchant=self.shop, total=total, quantity=pieces).pk)

    def begin(self, order: Order, account: int, *, death: int | None) -> None:
        self.ours(lambda: start.start_attempt(order, self.accounts[account]), death=death)

    def deliver(self, index: int, *, death: int | None = None) -> None:
        """One delivery of a notice to the address of its payment's account; the notice stays owed."""
        notification = self.bank.notifications[index % len(self.bank.notifications)]
        reference = notification["data"]["reference"]  # type: ignore[index]
        slug = Payment.objects.values_list("account__slug", flat=True).get(reference=reference)
        body, headers = signed(notification)

        def post() -> None:
            path = f"/notify/webhook/{slug}/"
            reply = self.http.post(path, data=body, content_type="application/json", headers=headers)
            assert reply.status_code == 204, reply.content

        self.ours(post, death=death)

    def drain(self, *, death: int | None = None) -> None:
        self.ours(drain_notifications, death=death)

    def relay(self, *, death: int | None = None) -> None:
        self.ours(relay.run_relay, death=death)

    def close_overdue(self, *, death: int | None = None) -> None:
        self.ours(closing.close_overdue, death=death)

    def finish_closing(self, *, death: int | None = None) -> None:
        self.ours(finish_closing, death=death)

    def forgive(self) -> None:
        """Accounts that rest after failures are called again."""
        PaymentAccount.objects.update(next_call_at=None, failures_in_a_row=0)

    def switch_paying(self, *, on: bool) -> None:
        TransitionRule.objects.filter(action=Action.PAY).update(is_enabled=on)

    def query(self, payment: Payment, *, death: int | None = None) -> None:
        """The buyer has come back from the cashier and looks at the page."""
        self.ours(lambda: poll.query_now(payment), death=death)

    def close_at_bank(self, payment: Payment, *, death: int | None = None) -> None:
        self.ours(lambda: poll.close_now(payment), death=death)

    def cancel(self, order: Order, *, death: int | None = None) -> None:
        self.ours(
            lambda: closing.cancel(order.number, reason="不要了", actor=STAFF, trigger=machine.STAFF_CANCEL),
            death=death,
        )

    def ship(self, order: Order, *, death: int | None = None) -> None:
        """All that is left, in one parcel."""
        self._confirm(order, f"YT{order.pk:013d}", (), death)

    def ship_piece(self, order: Order, *, death: int | None = None) -> None:
        """One piece; asked again it is the same parcel."""
        self._confirm(order, f"YT{order.pk:012d}P", (ProductQuantity("cup-1", 1),), death)

    def _confirm(
        self, order: Order, number: str, lines: tuple[ProductQuantity, ...], death: int | None
    ) -> None:
        parcel = Confirmation(
            order=order.number, warehouse="main", carrier="yto", tracking_number=number, lines=lines
        )
        self.ours(lambda: confirm_shipments(self.shop, [parcel], actor=STAFF), death=death)

    def settle_down(self) -> None:
        """Everybody is up again and everything owed is said; the workers run until nothing is left to do."""
        self.bank.is_down = self.bank.loses_answers = False
        self.forgive()
        for index in range(len(self.bank.notifications)):
            self.deliver(index)
        for _round in range(4):
            self.wait(15)
            self.drain()
            self.relay()
            for payment in self.payments():
                if payment.is_undecided:
                    self.wait(0.1)
                    (self.close_at_bank if payment.close_wanted_at else self.query)(payment)
            self.finish_closing()
            if not PaymentNotification.objects.filter(done_at__isnull=True).exists():
                break
        self.relay()
