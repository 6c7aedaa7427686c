"""Tells the shop what became of each message, in each vendor's own form, until it is answered in the vendor's words."""

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from html import escape
from sqlite3 import Row

from sandbox.formats import beijing, now
from sandbox.outgoing import Call, CallReply, send
from sandbox.store import Store
from sandbox.world import World

TARGET, SECONDS, AT_ONCE = "message.report", 0.2, 50
# Seconds between two tries; after the last one it is given up.
_GAPS: Mapping[str, Sequence[float]] = {
    "aliyun_sms": (60, 300, 600),
    "tencent_sms": (60, 300, 600),
    "wechat_template": (5, 5),
    "wechat_subscribe": (5, 5),
}
CHANNELS = tuple(_GAPS)
_JSON = {"Content-Type": "application/json; charset=utf-8"}
log = logging.getLogger(__name__)


def set_address(store: Store, channel: str, url: str) -> None:
    """Report to this address from now on, as one says in the vendor's console; an empty one ends it."""
    store.rows("DELETE FROM push_addresses WHERE carrier = ?", channel)
    if url:
        store.rows("INSERT INTO push_addresses (carrier, url) VALUES (?, ?)", channel, url)


class Reporter:
    """Reports until it is stopped."""

    def __init__(self, world: World) -> None:
        self._world, self._store = world, world.store
        self._stop = threading.Event()

    def run(self) -> None:
        """Loop; meant for a thread of its own."""
        while not self._stop.wait(SECONDS):
            try:
                self.work()
            except Exception:
                # The edge of the thread: an answer that was not understood must not end the reports.
                log.exception("delivery reports")

    def stop(self) -> None:
        """End the loop."""
        self._stop.set()

    def work(self) -> None:
        """Report the messages that are due, those of one channel of text messages together."""
        rows = self._store.rows(
            "SELECT m.*, a.url FROM messages m JOIN push_addresses a ON a.carrier = m.channel"
            " WHERE m.report = 'queued' AND m.due_at <= ? ORDER BY m.id LIMIT ?",
            now(), AT_ONCE,
        )  # fmt: skip
        for channel in CHANNELS:
            mine = [row for row in rows if row["channel"] == channel]
            batches = [mine] if channel.endswith("_sms") else [[row] for row in mine]
            for batch in filter(None, batches):
                self._report(channel, batch)

    def _report(self, channel: str, rows: Sequence[Row]) -> None:
        active = self._world.faults_at(TARGET)
        call = _call(channel, rows, is_delivered="failed" not in active)
        answers = (
            [] if "drop" in active else [send(call) for _ in range(max(1, int(active.get("duplicate", 1))))]
        )
        is_taken = bool(answers) and all(_is_taken(channel, answer) for answer in answers)
        for row in rows:
            gaps, tries = _GAPS[channel], row["tries"]
            state = "done" if is_taken else "queued" if tries < len(gaps) else "given_up"
            speed = self._store.tuned("notify_speed", self._world.settings.notify_speed)
            wait = gaps[tries] / speed if state == "queued" else 0
            self._store.rows(
                "UPDATE messages SET report = ?, tries = tries + 1, due_at = ? WHERE id = ?",
                state, now() + wait, row["id"],
            )  # fmt: skip


def _is_taken(channel: str, answer: CallReply) -> bool:
    if answer.status != 200:
        return False
    if channel.startswith("wechat"):
        return answer.body in (b"success", b"")
    try:
        content = json.loads(answer.body)
    except ValueError:
        return False
    code = content.get("code" if channel == "aliyun_sms" else "result") if isinstance(content, dict) else None
    # Aliyun looks whether there is a number, not at its value.
    return isinstance(code, int) and (channel == "aliyun_sms" or code == 0)


def _call(channel: str, rows: Sequence[Row], *, is_delivered: bool) -> Call:
    if channel == "aliyun_sms":
        content = [_aliyun(row, is_delivered=is_delivered) for row in rows]
        return Call("POST", rows[0]["url"], json.dumps(content, ensure_ascii=False).encode(), _JSON)
    if channel == "tencent_sms":
        content = [_tencent(row, is_delivered=is_delivered) for row in rows]
        return Call("POST", rows[0]["url"], json.dumps(content, ensure_ascii=False).encode(), _JSON)
    form = _template if channel == "wechat_template" else _subscription
    xml = form(rows[0], is_delivered=is_delivered)
    return Call("POST", rows[0]["url"], xml.encode(), {"Content-Type": "text/xml"})


def _aliyun(row: Row, *, is_delivered: bool) -> dict[str, object]:
    return {
        "phone_number": row["recipient"], "send_time": beijing(row["at"]), "report_time": beijing(now()),
        "success": is_delivered, "err_code": "DELIVERED" if is_delivered else "MK:0001",
        "err_msg": "用户接收成功" if is_delivered else "空号", "sms_size": "1", "biz_id": row["vendor_id"],
        "out_id": row["key"],
    }  # fmt: skip


def _tencent(row: Row, *, is_delivered: bool) -> dict[str, object]:
    return {
        "user_receive_time": beijing(now()), "nationcode": "86", "mobile": row["recipient"],
        "report_status": "SUCCESS" if is_delivered else "FAIL", "errmsg": "DELIVRD" if is_delivered else "MK:0001",
        "description": "用户短信送达成功" if is_delivered else "空号", "sid": row["vendor_id"],
    }  # fmt: skip


def _head(row: Row, event: str) -> str:
    return (
        "<ToUserName><![CDATA[gh_sandbox]]></ToUserName>"
        f"<FromUserName><![CDATA[{escape(row['recipient'])}]]></FromUserName>"
        f"<CreateTime>{int(now())}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        f"<Event><![CDATA[{event}]]></Event>"
    )


def _template(row: Row, *, is_delivered: bool) -> str:
    status = "success" if is_delivered else "failed:user block"
    result = f"<MsgID>{row['vendor_id']}</MsgID><Status><![CDATA[{status}]]></Status>"
    return f"<xml>{_head(row, 'TEMPLATESENDJOBFINISH')}{result}</xml>"


def _subscription(row: Row, *, is_delivered: bool) -> str:
    code, status = ("0", "success") if is_delivered else ("1", "user block")
    one = (
        f"<List><TemplateId><![CDATA[{escape(row['template'])}]]></TemplateId><MsgID>{row['vendor_id']}</MsgID>"
        f"<ErrorCode>{code}</ErrorCode><ErrorStatus><![CDATA[{status}]]></ErrorStatus></List>"
    )
    head = _head(row, "subscribe_msg_sent_event")
    return f"<xml>{head}<SubscribeMsgSentEvent>{one}</SubscribeMsgSentEvent></xml>"
