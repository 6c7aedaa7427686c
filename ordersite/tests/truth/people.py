"""The people of the shop: who requests refunds, proposes, approves, and imports the bank's file."""

from __future__ import annotations

import csv
import io
from datetime import UTC
from decimal import Decimal
from functools import partial

from django.contrib.auth.models import Group, User
from django.utils import timezone

from orders.approvals.workflow import approve
from ordersite.lib.china_time import write_beijing
from ordersite.tests.truth.bank import Trade
from ordersite.tests.truth.world import World
from payments.manual import revive, settle
from payments.manual.evidence import Handed
from payments.manual.revive import REVIVAL
from payments.manual.settle import SETTLEMENT
from payments.models import (
    Payment,
    PaymentAccount,
    RefundRequest,
    RevivalRequest,
    SettlementRequest,
    Statement,
    StatementMapping,
)
from payments.reconciliation import importing
from payments.reconciliation import settle as settle_statement
from payments.reconciliation.approval import STATEMENT
from payments.refunds import request as refunds
from payments.refunds.approval import REFUND
from payments.refunds.execute import order_refunds

WAITING = "proposed"
HEADER = ("time", "ours", "theirs", "refund", "amount")


class People:
    """Anna proposes, Bea decides; Anna tries to decide as well."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.anna, self.bea = self._person("anna"), self._person("bea")
        self.mapping = StatementMapping.objects.get_or_create(
            name="bank",
            defaults={
                "amount_column": "amount",
                "time_column": "time",
                "reference_column": "ours",
                "provider_reference_column": "theirs",
                "refund_reference_column": "refund",
            },
        )[0]

    def _person(self, name: str) -> User:
        user, made = User.objects.get_or_create(username=name, defaults={"is_staff": True})
        if made:
            user.groups.add(Group.objects.get(name="finance"))
        return User.objects.get(pk=user.pk)

    def request_refund(self, payment: Payment, part: int, *, death: int | None) -> None:
        amount = max((payment.amount * part / 100).quantize(Decimal("0.01")), Decimal("0.01"))
        self.world.ours(
            lambda: refunds.request_refund(payment.pk, amount, actor_user=self.anna, reason="少发一件"),
            death=death,
        )

    def decide_refunds(self, *, death: int | None) -> None:
        for request in self._mine(RefundRequest):
            self.world.ours(partial(approve, REFUND, request, user=self.anna, note="自己批"))
            self.world.ours(partial(approve, REFUND, request, user=self.bea, note="同意"), death=death)

    def order_refunds(self, *, death: int | None) -> None:
        self.world.forgive()
        self.world.ours(order_refunds, death=death)

    def propose_settlement(self, index: int, *, death: int | None) -> None:
        """By what she sees at the bank: only money that is there for this order."""
        order = self.world.order(index)
        for payment in Payment.objects.filter(order=order):
            trade = self.world.bank.trades.get(payment.reference)
            if trade is None or trade.paid != order.total_amount or trade.refunded:
                continue
            wish = settle.Wish(
                order_id=order.pk,
                account_id=payment.account_id,
                amount=order.total_amount,
                provider_reference=trade.number,
                reason="看到到账",
                files=[Handed("slip.pdf", io.BytesIO(b"%PDF-1.7\nslip\n"))],
            )
            self.world.ours(partial(settle.propose, wish, user=self.anna), death=death)

    def propose_revival(self, payment: Payment, *, death: int | None) -> None:
        self.world.ours(
            lambda: revive.propose(payment.pk, user=self.anna, reason="有货", stock_confirmed=True),
            death=death,
        )

    def decide(self, *, death: int | None) -> set[int]:
        """Returns the orders that a second person has revived."""
        for pk in self._mine(SettlementRequest):
            self.world.ours(partial(approve, SETTLEMENT, pk, user=self.anna, note="自己批"))
            self.world.ours(partial(approve, SETTLEMENT, pk, user=self.bea, note="属实"), death=death)
        for pk in self._mine(RevivalRequest):
            self.world.ours(partial(approve, REVIVAL, pk, user=self.anna, note="自己批"))
            self.world.ours(partial(approve, REVIVAL, pk, user=self.bea, note="同意"), death=death)
        approved = RevivalRequest.objects.filter(order_id__in=self.world.orders, status="approved")
        return set(approved.values_list("order_id", flat=True))

    def _mine(self, model: type[RefundRequest] | type[SettlementRequest] | type[RevivalRequest]) -> list[int]:
        waiting = model.objects.filter(order_id__in=self.world.orders, status=WAITING)
        return list(waiting.order_by("pk").values_list("pk", flat=True))

    def import_file(self, account: int, *, death: int | None) -> None:
        """What the bank says of this account up to now, taken in, matched and settled."""
        payee = self.world.accounts[account]
        rows = [row for trade in self._trades_of(payee) for row in _rows(trade)]
        text = io.StringIO()
        csv.writer(text).writerows([HEADER, *rows])
        stream = io.BytesIO(text.getvalue().encode())
        origin = importing.Origin(
            source=Statement.Source.UPLOAD, file_name="bank.csv", user=self.bea, mapping=self.mapping
        )

        def work() -> None:
            taken = importing.take_in(payee, stream, origin)
            importing.import_statements()
            approve(STATEMENT, taken.statement.pk, user=self.anna, note="")
            settle_statement.settle_statements()

        self.world.ours(work, death=death)

    def _trades_of(self, account: PaymentAccount) -> list[Trade]:
        mine = Payment.objects.filter(order_id__in=self.world.orders, account=account)
        found = (self.world.bank.trades.get(one) for one in mine.values_list("reference", flat=True))
        return [trade for trade in found if trade is not None and trade.paid is not None]


def _rows(trade: Trade) -> list[tuple[str, ...]]:
    at = write_beijing(timezone.now().astimezone(UTC))
    paid = (at, trade.reference, trade.number, "", str(trade.paid))
    back = [
        (write_beijing(trade.refunded_at[number]), trade.reference, trade.number, number, f"-{amount}")
        for number, amount in trade.refunds.items()
    ]
    return [paid, *back]
