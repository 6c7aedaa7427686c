"""Random stories: what buyers, banks, staff, workers and accidents do, in any order; after each step the truths hold."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import time_machine
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pytest_httpserver import HTTPServer

from orders.models import Order, OrderStatus
from ordersite.tests.truth import truths
from ordersite.tests.truth.people import People
from ordersite.tests.truth.world import World
from payments.models import RefundRequest

INDEX = st.integers(0, 1_000)
# Half of all work on our side dies, at any of its statements.
DEATH = st.none() | st.integers(1, 30)
# Who may leave which state: a closed order is revived by two persons only, which these stories know of.
FINAL = (OrderStatus.CLOSED, OrderStatus.REFUNDED)


class Stories(RuleBasedStateMachine):
    """`server` is set by the test; `steps` counts over all stories."""

    server: HTTPServer
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.travel = time_machine.travel(datetime(2026, 11, 22, 4, 0, tzinfo=UTC), tick=True)
        self.world = World(self.server, self.travel.start())
        self.people = People(self.world)
        self.seen: dict[int, str] = {}
        self.revived: set[int] = set()

    def teardown(self) -> None:
        try:
            self.world.settle_down()
            self.people.decide_refunds(death=None)
            if RefundRequest.objects.at_work().filter(order_id__in=self.world.orders).exists():
                self.people.order_refunds(death=None)
                self.world.wait(5)
                self.people.order_refunds(death=None)
                self.world.settle_down()
            truths.check_history(self.world.orders)
            truths.check_money(self.world.bank, self.world.orders)
            truths.check_goods(self.world.orders)
        finally:
            self.travel.stop()

    @initialize(fen=st.integers(1, 100_000), account=st.integers(0, 1))
    def first_order(self, fen: int, account: int) -> None:
        self.world.new_order(fen)
        self.world.begin(self.world.order(0), account, death=None)

    @invariant()
    def final_states_stay(self) -> None:
        type(self).steps += 1
        now = dict(Order.objects.filter(pk__in=self.world.orders).values_list("pk", "status"))
        for pk, before in self.seen.items():
            if before in FINAL and pk not in self.revived:
                assert now[pk] == before, (before, now[pk])
        self.seen = now

    # the buyer

    @precondition(lambda self: len(self.world.orders) < 6)
    @rule(fen=st.integers(1, 100_000), account=st.integers(0, 1), is_paid=st.booleans())
    def order_more(self, fen: int, account: int, is_paid: bool) -> None:
        self.world.new_order(fen)
        self.world.begin(self.world.order(len(self.world.orders) - 1), account, death=None)
        if is_paid and self.world.bank.trades:
            self.pay(len(self.world.bank.trades) - 1, 0)

    @rule(index=INDEX, account=st.integers(0, 1), death=DEATH)
    def begin_to_pay(self, index: int, account: int, death: int | None) -> None:
        self.world.begin(self.world.order(index), account, death=death)

    @precondition(lambda self: self.world.bank.trades)
    @rule(index=INDEX, change=st.sampled_from([0, 0, 0, 0, 0, -1, 1]))
    def pay(self, index: int, change: int) -> None:
        trade = list(self.world.bank.trades.values())[index % len(self.world.bank.trades)]
        amount = trade.price + Decimal(change) / 100
        if amount > 0:
            self.world.bank.take(trade.reference, amount)

    @rule(index=INDEX)
    def give_up_and_pay_all_the_same(self, index: int) -> None:
        """The order is closed at the bank and here, and then the money comes."""
        order = self.world.order(index)
        self.world.cancel(order)
        self.world.relay()
        mine = [payment for payment in self.world.payments() if payment.order_id == order.pk]
        for payment in mine:
            self.world.close_at_bank(payment)
        self.world.relay()
        if mine and mine[-1].reference in self.world.bank.trades:
            self.world.bank.take_late(mine[-1].reference)

    @rule(index=INDEX)
    def pay_late(self, index: int) -> None:
        closed = [trade for trade in self.world.bank.trades.values() if trade.is_closed]
        if closed:
            self.world.bank.take_late(closed[index % len(closed)].reference)

    @rule(index=INDEX, death=DEATH)
    def look_at_the_page(self, index: int, death: int | None) -> None:
        if payments := self.world.payments():
            self.world.query(payments[index % len(payments)], death=death)

    # the bank

    @precondition(lambda self: self.world.bank.notifications)
    @rule(index=INDEX, times=st.integers(1, 3), death=DEATH)
    def notify(self, index: int, times: int, death: int | None) -> None:
        for _time in range(times):
            self.world.deliver(index, death=death)

    @rule(mood=st.sampled_from(["well", "well", "well", "down", "loses"]))
    def change_mood(self, mood: str) -> None:
        self.world.bank.is_down, self.world.bank.loses_answers = mood == "down", mood == "loses"

    @rule(index=INDEX, part=st.integers(1, 100))
    def refund_at_bank(self, index: int, part: int) -> None:
        paid = [trade for trade in self.world.bank.trades.values() if trade.status == "succeeded"]
        if paid:
            trade = paid[index % len(paid)]
            left = (trade.paid or Decimal(0)) - trade.refunded
            amount = (left * part / 100).quantize(Decimal("0.01"))
            self.world.bank.give_back(trade.reference, amount or left)

    # the workers

    @rule(death=DEATH)
    def drain(self, death: int | None) -> None:
        self.world.drain(death=death)

    @rule(death=DEATH)
    def relay(self, death: int | None) -> None:
        self.world.relay(death=death)

    @rule(death=DEATH)
    def close_overdue(self, death: int | None) -> None:
        self.world.close_overdue(death=death)

    @rule(death=DEATH)
    def finish_closing(self, death: int | None) -> None:
        self.world.finish_closing(death=death)

    @rule(index=INDEX, death=DEATH)
    def query_and_close(self, index: int, death: int | None) -> None:
        wanted = [payment for payment in self.world.payments() if payment.close_wanted_at]
        if wanted:
            self.world.close_at_bank(wanted[index % len(wanted)], death=death)

    @rule(minutes=st.sampled_from([0.1, 0.5, 1, 5, 11, 31]))
    def time_passes(self, minutes: float) -> None:
        self.world.wait(minutes)

    # the staff

    @precondition(lambda self: len(self.world.orders) > 2)
    @rule(index=INDEX, death=DEATH)
    def cancel(self, index: int, death: int | None) -> None:
        self.world.cancel(self.world.order(index), death=death)

    @rule(index=INDEX, death=DEATH)
    def ship(self, index: int, death: int | None) -> None:
        self.world.ship(self.world.order(index), death=death)

    @rule(index=INDEX, death=DEATH)
    def ship_piece(self, index: int, death: int | None) -> None:
        self.world.ship_piece(self.world.order(index), death=death)

    @rule(index=INDEX, death=DEATH)
    def send_a_piece_and_give_back_the_other(self, index: int, death: int | None) -> None:
        """The other half is out of stock."""
        order = self.world.order(index)
        self.world.ship_piece(order)
        for payment in self.world.payments():
            if payment.order_id == order.pk and payment.is_paid:
                self.people.request_refund(payment, 50, death=death)

    @rule(index=INDEX, part=st.integers(1, 100), death=DEATH)
    def request_refund(self, index: int, part: int, death: int | None) -> None:
        if payments := self.world.payments():
            self.people.request_refund(payments[index % len(payments)], part, death=death)

    @rule(death=DEATH)
    def decide_refunds(self, death: int | None) -> None:
        self.people.decide_refunds(death=death)

    @precondition(lambda self: RefundRequest.objects.filter(order_id__in=self.world.orders).exists())
    @rule(death=DEATH)
    def order_refunds(self, death: int | None) -> None:
        self.people.order_refunds(death=death)

    @rule(index=INDEX, death=DEATH)
    def propose_settlement(self, index: int, death: int | None) -> None:
        self.people.propose_settlement(index, death=death)

    @rule(index=INDEX, death=DEATH)
    def propose_revival(self, index: int, death: int | None) -> None:
        if payments := self.world.payments():
            self.people.propose_revival(payments[index % len(payments)], death=death)

    @rule(death=DEATH)
    def decide(self, death: int | None) -> None:
        self.revived |= self.people.decide(death=death)

    @precondition(lambda self: self.world.bank.trades)
    @rule(account=st.integers(0, 1), death=DEATH)
    def import_file(self, account: int, death: int | None) -> None:
        self.people.import_file(account, death=death)

    @rule(index=INDEX)
    def pay_twice(self, index: int) -> None:
        """The order refuses the first money, as its rule is switched off; then another attempt pays."""
        order = self.world.order(index)
        self.world.switch_paying(on=False)
        for account in (0, 1):
            self.world.begin(order, account, death=None)
            mine = [payment for payment in self.world.payments() if payment.order_id == order.pk]
            if mine and mine[-1].reference in self.world.bank.trades:
                self.world.bank.take(mine[-1].reference, mine[-1].amount)
                self.world.query(mine[-1])
            self.world.switch_paying(on=True)
