"""The cashier pages: show the trade, and pay it when the buyer presses the button."""

from sandbox.alipay import notifications as alipay_notifications
from sandbox.pages import cashier_page, message_page, posting_page
from sandbox.trading import trades
from sandbox.trading.announce_by_provider import announce
from sandbox.trading.trades import Trade, TradeRefused
from sandbox.unionpay.notifications import payment_fields
from sandbox.unionpay.wire import sign
from sandbox.web import Request, Response, html_response, redirect
from sandbox.world import World

_LABELS = {"paid": "订单已支付", "refunded": "订单已退款", "closed": "订单已关闭", "reversed": "订单已撤销"}


def settle(world: World, trade: Trade) -> Trade:
    """The buyer pays; the notification is queued in the same step. Raises TradeRefused."""
    with world.store.transaction():
        paid = trades.pay(world.store, trade)
        announce(world, paid, kind="payment")
    return paid


def handle_cashier(world: World, request: Request) -> Response:
    """`GET /{provider}/cashier/{token}` and `POST …/pay`."""
    _, provider, _, token, *rest = request.path.split("/")
    trade = trades.find_token(world.store, token)
    if trade is None or trade.provider != provider:
        return html_response(message_page(title="没有这笔订单", text="链接无效或已失效。"), status=404)
    if request.method == "POST" and rest == ["pay"]:
        return _pay(world, trade)
    if request.method == "GET" and not rest:
        return _show(world, trades.visit(world.store, trade))
    return Response(405, b"method not allowed")


def _show(world: World, trade: Trade) -> Response:
    if trade.state != "waiting":
        return html_response(
            message_page(title=_LABELS[trade.state], text=_back_text(trade), link=trade.return_url)
        )
    return html_response(cashier_page(trade))


def _pay(world: World, trade: Trade) -> Response:
    try:
        paid = settle(world, trade)
    except TradeRefused as refused:
        title = "订单已支付" if refused.code == "already_paid" else "订单已关闭"
        return html_response(
            message_page(title=title, text=_back_text(trade), link=trade.return_url), status=409
        )
    if not paid.return_url:
        return html_response(message_page(title="支付成功", text="款项已付, 可以关闭此页。"))
    if paid.provider == "unionpay":
        # UnionPay sends the buyer back with a form of signed fields, not with an address.
        return html_response(posting_page(paid.return_url, sign(world, payment_fields(paid), active={})))
    return redirect(_return_address(world, paid))


def _back_text(trade: Trade) -> str:
    return "可以返回商家查看订单。" if trade.return_url else "可以关闭此页。"


def _return_address(world: World, trade: Trade) -> str:
    """The return URL: Alipay adds a signed query, the others leave it unchanged."""
    if trade.provider != "alipay":
        return trade.return_url
    joint = "&" if "?" in trade.return_url else "?"
    return trade.return_url + joint + alipay_notifications.return_query(world, trade)
