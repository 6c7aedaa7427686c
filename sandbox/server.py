"""The HTTP server of the sandbox, and its background threads."""

import logging
import re
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from urllib.parse import urlsplit

from sandbox.alipay.gateway import handle_bill, handle_gateway
from sandbox.alipay.notifications import AlipayForm
from sandbox.carrier import kuaidi100_label, kuaidi100_push
from sandbox.carrier.kuaidi100 import handle_query
from sandbox.carrier.order_pushes import OrderPusher
from sandbox.carrier.sf import PATH as SF_PATH
from sandbox.carrier.sf import handle_sf
from sandbox.carrier.sf_pushes import SfPusher
from sandbox.carrier.sto import PATH as STO_PATH
from sandbox.carrier.sto import handle_sto
from sandbox.carrier.sto_push import StoPushForm
from sandbox.carrier.yto import handle_yto
from sandbox.carrier.yto_push import YtoPushForm
from sandbox.carrier.zto import handle_zto
from sandbox.config import Settings
from sandbox.control.api import handle_control
from sandbox.erp import Warehouse
from sandbox.fulfilment import cloud
from sandbox.fulfilment.shipping import Shipping
from sandbox.keys.keys import Keys
from sandbox.messaging import aliyun, robots, tencent, wechat
from sandbox.messaging.reports import Reporter
from sandbox.messaging.smtp import mail_sink
from sandbox.receiver import hooks
from sandbox.store import Store
from sandbox.trading import refunding, trades
from sandbox.trading.cashier import handle_cashier
from sandbox.trading.deliveries import Dispatcher, Form
from sandbox.unionpay import gateway as unionpay
from sandbox.unionpay.notifications import UnionpayForm
from sandbox.web import HangUp, Request, Response, json_response
from sandbox.webhook import gateway as webhook
from sandbox.webhook.notifications import WebhookForm, announce_closing
from sandbox.wechatpay import gateway as wechatpay
from sandbox.wechatpay.notifications import WechatForm
from sandbox.world import World

MAX_BODY = 1_000_000
log = logging.getLogger(__name__)
Handler = Callable[[World, Request], Response]


def route(world: World, request: Request) -> Response:
    """Return the response of the provider or page behind a path. Raises HangUp."""
    handler = _EXACT.get(request.path)
    if handler is not None:
        return handler(world, request)
    if re.match(r"/(alipay|wechatpay|unionpay|webhook)/cashier/", request.path):
        return handle_cashier(world, request)
    # Without the prefix too: WeChat's own programs sign the bare path, which nothing but a host may precede.
    if request.path.startswith((f"{wechatpay.PREFIX}/v3/", "/v3/")):
        return wechatpay.handle_api(world, request)
    if request.path.startswith(unionpay.PREFIX):
        return unionpay.handle_call(world, request)
    if request.path.startswith("/zto/"):
        return handle_zto(world, request)
    if request.path.startswith("/yto/"):
        return handle_yto(world, request)
    if request.path.startswith(f"{wechat.PREFIX}/"):
        return wechat.handle_wechat(world, request)
    if request.path.startswith(robots.FEISHU):
        return robots.handle_robot(world, request)
    if request.path.startswith("/receiver/"):
        return _only_post(hooks.handle_hook)(world, request)
    if request.path == "/" or request.path.startswith("/control/"):
        return handle_control(world, request)
    return json_response({"error": "not_found"}, status=404)


def is_own_name(host: str, settings: Settings) -> bool:
    """Whether a Host header names this sandbox: by address, as localhost, or by the name that it was given.

    A page of another site whose name was made to lead to this machine (DNS rebinding) sends that name, which a browser
    takes for its own site.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return not host or is_address(name) or name in {"localhost", settings.host, settings.public_host}


def is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _only_post(handler: Handler) -> Handler:
    def guarded(world: World, request: Request) -> Response:
        return handler(world, request) if request.method == "POST" else Response(405, b"method not allowed")

    return guarded


def _health(world: World, request: Request) -> Response:
    return Response(200, b"ok")


_EXACT: Mapping[str, Handler] = {
    "/healthz": _health,
    "/alipay/gateway.do": handle_gateway,
    "/alipay/bill": handle_bill,
    "/kuaidi100/query.do": _only_post(handle_query),
    SF_PATH: _only_post(handle_sf),
    STO_PATH: _only_post(handle_sto),
    "/kuaidi100/poll": _only_post(kuaidi100_push.handle_subscribe),
    "/kuaidi100/autonumber/auto": kuaidi100_push.handle_recognise,
    "/kuaidi100/label/order": _only_post(kuaidi100_label.handle_order),
    "/kuaidi100/label/image": kuaidi100_label.handle_image,
    aliyun.PATH: _only_post(aliyun.handle_aliyun),
    tencent.PATH: _only_post(tencent.handle_tencent),
    robots.DINGTALK: _only_post(robots.handle_robot),
    robots.WECOM: _only_post(robots.handle_robot),
    cloud.PATH: _only_post(cloud.handle_push),
    **dict.fromkeys(webhook.PATHS, webhook.handle_call),
}


class Connection(BaseHTTPRequestHandler):
    """One connection, kept alive over many requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    timeout = 75
    server: "Server"

    def handle_any(self) -> None:
        """Read the whole request, route it, write the whole answer."""
        try:
            request = self._read()
            response = Response(413, b"too large") if request is None else self._answer(request)
        except HangUp:
            self.close_connection = True
            return
        except Exception:
            log.exception("%s %s", self.command, self.path)
            response = Response(500, b"the sandbox itself has failed; see its log")
        self._write(response)

    do_GET = do_POST = do_DELETE = do_PUT = do_HEAD = handle_any

    def _answer(self, request: Request) -> Response:
        if not is_own_name(request.headers.get("host", ""), self.server.world.settings):
            return json_response({"error": "foreign_host"}, status=403)
        return route(self.server.world, request)

    def _read(self) -> Request | None:
        """None when the body is too large or its length is missing."""
        text = self.headers.get("Content-Length", "0")
        length = int(text) if text.isascii() and text.isdigit() else -1
        if not 0 <= length <= MAX_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._drain(length)
            return None
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, path, query, headers, self.rfile.read(length))

    def _drain(self, length: int) -> None:
        """Read a body that is somewhat too large, since a client that is still writing does not read the refusal."""
        left = min(length, 8 * MAX_BODY)
        while left > 0 and (chunk := self.rfile.read(min(left, 65536))):
            left -= len(chunk)

    def _write(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def version_string(self) -> str:
        """The value of the Server header."""
        return "sandbox"

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: the control page shows what matters."""


class Server(ThreadingHTTPServer):
    """Serves each connection in a thread; its listen queue holds a burst."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, world: World) -> None:
        self.world = world
        super().__init__((world.settings.host, world.settings.port), Connection)

    def server_bind(self) -> None:
        """Bind without asking a name server for our own name, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def handle_error(self, request: object, client_address: object) -> None:
        """Log errors, except that a client closed the connection."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            log.error("connection from %s: %r", client_address, error)


class Sandbox:
    """The server with the threads of notifications, expiry, pushes and warehouse."""

    def __init__(self, settings: Settings) -> None:
        store = Store(settings.folder / "sandbox.sqlite3")
        self.world = World(settings, store, Keys(settings.folder))
        self.server = Server(self.world)
        forms: Mapping[str, Form] = {
            "alipay.notify": AlipayForm(self.world),
            "wechatpay.notify": WechatForm(self.world),
            "unionpay.notify": UnionpayForm(self.world),
            "webhook.notify": WebhookForm(self.world),
            kuaidi100_push.TARGET: kuaidi100_push.PushForm(),
        }
        self.dispatcher = Dispatcher(store, forms=forms, speed=settings.notify_speed)
        self.warehouse = Warehouse(self.world)
        self.shipping = Shipping(self.world)
        self.pushers = (
            SfPusher(self.world),
            OrderPusher(self.world, YtoPushForm()),
            OrderPusher(self.world, StoPushForm()),
            Reporter(self.world),
        )
        self.mail = mail_sink(self.world)
        self._stop = threading.Event()

    def run(self) -> None:
        """Serve until `stop` is called from another thread."""
        pushers = [pusher.run for pusher in self.pushers] + ([self.mail.run] if self.mail else [])
        for loop in (self.dispatcher.run, self.warehouse.run, self.shipping.run, *pushers, self._expire):
            threading.Thread(target=loop, daemon=True).start()
        self.server.serve_forever(poll_interval=0.1)
        self.server.server_close()

    def stop(self) -> None:
        """End all loops and the server."""
        self._stop.set()
        self.dispatcher.stop()
        self.warehouse.stop()
        self.shipping.stop()
        for pusher in self.pushers:
            pusher.stop()
        if self.mail:
            self.mail.shutdown()
        self.server.shutdown()

    def _expire(self) -> None:
        """Close expired trades (only the webhook provider notifies it), end refunds that are due, push what has moved."""
        while not self._stop.wait(0.25):
            refunding.end_due(self.world)
            kuaidi100_push.push_due(self.world)
            with self.world.store.transaction():
                for trade in trades.close_expired(self.world.store):
                    if trade.provider == "webhook":
                        announce_closing(self.world, trade)
