import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from sandbox.tests.nobody import nobody
from sandbox.tests.running import ROOT, Running, call, started, wait_for
from sandbox.tests.test_alipay import listen, open_cashier, pay_url, received
from sandbox.tests.test_webhook import order


def test_page_and_panel_show_the_state(box: Running) -> None:
    box.control("pay", pay_url=pay_url(box, "PANEL000000000001", subject="<b>杯 & 壶</b>"))
    page = call("GET", f"{box.url}/").text
    assert "沙箱控制台" in page
    assert '"alipay.notify": ["corrupt_signature"' in page
    panel = call("GET", f"{box.url}/control/panel").text
    assert "PANEL000000000001" in panel
    assert "&lt;b&gt;杯 &amp; 壶&lt;/b&gt;" in panel
    assert "<b>杯" not in panel


def test_cashier_escapes_the_merchants_text(box: Running) -> None:
    url = pay_url(
        box, "ESCAPE00000000001", subject="<script>alert(1)</script>", return_url="javascript:alert(1)"
    )
    address = box.url + call("GET", url).headers["location"]
    page = call("GET", address).text
    assert "&lt;script&gt;alert(1)" in page
    assert "javascript:" not in page


def test_cancel_leaves_the_trade_open(box: Running) -> None:
    address = open_cashier(box, pay_url(box, "CANCEL00000000001", return_url="http://shop.test/back"))
    assert 'id="cancel" href="http://shop.test/back"' in call("GET", address).text
    assert box.trade("CANCEL00000000001")["state"] == "waiting"


def test_pay_twice_is_refused(box: Running) -> None:
    url = pay_url(box, "TWICE000000000001")
    assert box.control("pay", pay_url=url).json["state"] == "paid"
    again = box.control("pay", reference="TWICE000000000001")
    assert (again.status, again.json) == (409, {"error": "already_paid"})
    assert box.control("pay", pay_url=url).json == {"error": "ACQ.TRADE_HAS_SUCCESS"}


def test_pay_by_the_cashiers_address(box: Running) -> None:
    address = box.webhook("pay", order("WADDRESS00000001")).json["pay_url"]
    assert box.control("pay", pay_url=address).json["reference"] == "WADDRESS00000001"


def test_refund_at_the_provider_is_notified(box: Running, httpserver: HTTPServer) -> None:
    box.control("pay", pay_url=pay_url(box, "AREFUND0000000001", notify_url=listen(httpserver, "/c/refund")))
    box.control("refund", reference="AREFUND0000000001", amount="9.00")
    again = box.control("refund", reference="AREFUND0000000001", amount="1.00", refund_reference="C1")
    assert again.json == {"refund_reference": "C1", "state": "paid"}
    again = box.control("refund", reference="AREFUND0000000001", amount="1.00", refund_reference="C1")
    assert (again.status, again.json) == (400, {"error": "this refund was made before"})
    rest = box.control("refund", reference="AREFUND0000000001")
    assert rest.json["state"] == "refunded"

    def sums() -> dict[str | None, str]:
        # By sum, not by number: under load a notification whose answer was late arrives twice.
        notifications = received(httpserver, "/c/refund")
        return {fields.get("refund_fee"): fields["trade_status"] for fields in notifications}

    wait_for(lambda: len(sums()) == 4, seconds=30)
    assert sums() == {
        None: "TRADE_SUCCESS",
        "9.00": "TRADE_SUCCESS",
        "10.00": "TRADE_SUCCESS",
        "199.00": "TRADE_CLOSED",
    }


def test_notify_repeats_or_sends_a_new_one(box: Running, httpserver: HTTPServer) -> None:
    box.control("pay", pay_url=pay_url(box, "NOTIFY00000000001", notify_url=listen(httpserver, "/c/notify")))
    wait_for(lambda: len(received(httpserver, "/c/notify")) == 1)
    wait_for(lambda: box.deliveries("NOTIFY00000000001")[0]["state"] == "done")
    assert box.control("notify", reference="NOTIFY00000000001").status == 202
    wait_for(lambda: len(received(httpserver, "/c/notify")) == 2)
    assert box.control("notify", reference="NOTIFY00000000001", kind="finished").status == 202
    wait_for(lambda: len(received(httpserver, "/c/notify")) == 3)
    first, again, finished = received(httpserver, "/c/notify")
    assert first["notify_id"] == again["notify_id"] != finished["notify_id"]
    assert finished["trade_status"] == "TRADE_FINISHED"
    assert box.control("notify", reference="NOTIFY00000000001", kind="refund").status == 400
    assert box.control("notify", reference="NOBODY").json == {"error": "unknown reference"}


def test_retries_can_be_stopped(box: Running) -> None:
    box.control("pay", pay_url=pay_url(box, "QUIET000000000001", notify_url=f"{nobody()}/notify"))
    wait_for(lambda: len(box.deliveries("QUIET000000000001")[0]["attempts"]) >= 4)
    assert box.control("notifications", "DELETE").json == {"given_up": 1}
    assert box.deliveries("QUIET000000000001")[0]["state"] == "given_up"


def test_speed_is_kept(box: Running) -> None:
    assert box.control("speed", parcel_seconds=7).json["parcel_seconds"] == 7
    assert box.control("speed", parcel_seconds=0).status == 400
    assert box.control("speed", parcel_seconds="fast").status == 400
    assert box.state["speed"]["parcel_seconds"] == 7
    box.control("speed", parcel_seconds=60)


def test_parcels_are_made_and_moved(box: Running) -> None:
    assert box.control("parcel", number="YT9000000000001").json == {"error": "unknown parcel"}
    assert box.control("parcel", number="YT9000000000001", com="yuantong").json["steps_done"] == 1
    assert box.control("parcel", number="YT9000000000001", advance=True).json["steps_done"] == 2


@pytest.mark.parametrize(("body", "status"), [(b"[]", 400), (b"{", 400), (b"\xff", 400)])
def test_broken_bodies_are_refused(box: Running, body: bytes, status: int) -> None:
    assert call("POST", f"{box.url}/control/pay", body=body).status == status


def test_another_site_may_not_press_our_buttons(box: Running) -> None:
    answer = call("DELETE", f"{box.url}/control/faults", headers={"Origin": "http://evil.test"})
    assert (answer.status, answer.json) == (403, {"error": "foreign_origin"})


@pytest.mark.parametrize("path", ["/", "/control/state", "/healthz", "/alipay/gateway.do"])
def test_foreign_names_are_refused(box: Running, path: str) -> None:
    """A page of another site that had its own name lead here would read and change everything."""
    answer = call("GET", box.url + path, headers={"Host": "rebound.example:8900"})
    assert (answer.status, answer.json) == (403, {"error": "foreign_host"})


def test_a_matching_origin_makes_no_name_ours(box: Running) -> None:
    headers = {"Host": "rebound.example", "Origin": "http://rebound.example"}
    answer = call("POST", f"{box.url}/control/reset", body=b"{}", headers=headers)
    assert (answer.status, answer.json) == (403, {"error": "foreign_host"})


def test_own_names_are_served(tmp_path: Path) -> None:
    with started(tmp_path, SANDBOX_URL="http://sandbox.shop.example:8900") as box:
        for name in ("localhost", "127.0.0.1:8900", "[::1]:1", "sandbox.shop.example"):
            assert call("GET", f"{box.url}/healthz", headers={"Host": name}).status == 200, name


def test_unknown_paths_and_large_bodies(box: Running) -> None:
    assert call("GET", f"{box.url}/nothing").status == 404
    assert call("GET", f"{box.url}/kuaidi100/query.do").status == 405
    assert call("GET", f"{box.url}/alipay/cashier/unknown").status == 404
    assert call("POST", f"{box.url}/control/pay", body=b" " * 1_000_001).status == 413


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    def make() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "sandbox", "keys"], cwd=ROOT, env={"SANDBOX_DIR": str(tmp_path)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip

    files = (
        "alipay_public.pem", "webhook_secret", "alipay_cert_account.json", "wechatpay_account.json",
        "unionpay_account.json", "aliyun_sms_account.json", "tencent_sms_account.json", "wechat_template_account.json",
        "wechat_subscribe_account.json", "email_account.json", "dingtalk_account.json", "feishu_account.json",
        "wecom_account.json",
    )  # fmt: skip
    assert make().stdout.split() == [str(tmp_path / name) for name in files]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {*files, "alipay_private.pem"}
    make()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    open_to_all = {path.name for path in before if path.stat().st_mode & 0o077}
    assert open_to_all == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path) as box:
        box.process.send_signal(number)
        assert box.process.wait(timeout=5) == 0


def test_a_taken_port_is_one_clear_line(box: Running, tmp_path: Path) -> None:
    port = box.url.rpartition(":")[2]
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox"], cwd=ROOT, env={"SANDBOX_DIR": str(tmp_path), "SANDBOX_PORT": port},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("sandbox: [Errno 98]")


def test_the_state_is_json_with_all_parts(box: Running) -> None:
    state = json.loads(call("GET", f"{box.url}/control/state").body)
    assert set(state) == {
        "trades",
        "refunds",
        "notifications",
        "parcels",
        "waybills",
        "sf_pushes",
        "carrier_calls",
        "faults",
        "hooks",
        "warehouse",
        "instructions",
        "messages",
        "kuaidi100",
        "speed",
    }
