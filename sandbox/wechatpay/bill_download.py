"""WeChat Pay's trade bill: a download URL with a checksum, then the file itself, which is not signed."""

import gzip
import hashlib
import json
import re
from collections.abc import Mapping

from sandbox.trading import bill_files, bills, tickets
from sandbox.web import Response
from sandbox.wechatpay.wire import ApiError
from sandbox.world import World

DOWNLOAD = "/v3/billdownload/file"
LIFE_SECONDS = 30
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def prepare(world: World, query: Mapping[str, str]) -> dict[str, str]:
    """SHA1 over the content before packing, and the path of the download. Raises ApiError."""
    day, form = query.get("bill_date", ""), query.get("bill_type", "ALL")
    if not _DAY.fullmatch(day) or form not in bill_files.WECHAT_COLUMNS:
        raise ApiError(400, "PARAM_ERROR", "bill_date或bill_type不合法")
    try:
        out = bills.is_out(world.store, day, provider="wechatpay")
    except ValueError:
        raise ApiError(400, "PARAM_ERROR", "bill_date不合法") from None
    if not out:
        raise ApiError(400, "STATEMENT_CREATING", "账单生成中，请稍后再试")
    content = _content(world, day=day, form=form)
    if not content:
        raise ApiError(400, "NO_STATEMENT_EXIST", "请求的账单文件不存在")
    what = json.dumps({"day": day, "form": form, "packing": query.get("tar_type", "")})
    token = tickets.give(world.store, provider="wechatpay", what=what, seconds=LIFE_SECONDS)
    digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    return {"hash_type": "SHA1", "hash_value": digest, "download_url": f"{DOWNLOAD}?token={token}"}


def download(world: World, token: str) -> Response:
    """The file. Raises ApiError when the address is unknown or too old."""
    what = tickets.look(world.store, provider="wechatpay", token=token)
    if what is None:
        raise ApiError(404, "RESOURCE_NOT_EXISTS", "下载地址已失效")
    query = json.loads(what)
    content = _content(world, day=query["day"], form=query["form"])
    packed = gzip.compress(content) if query["packing"] == "GZIP" else content
    return Response(200, packed, "application/octet-stream")


def _content(world: World, *, day: str, form: str) -> bytes:
    """Empty when nothing of that kind happened."""
    mchid = world.settings.mchid
    lines = bills.lines_of(world.store, provider="wechatpay", day=day)
    if not lines:
        return b""
    return "".join(bill_files.wechat_bill(lines, form=form, merchant=mchid)).encode()
