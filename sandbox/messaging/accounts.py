"""The message account files of the shop at these vendors, one for each channel."""

from collections.abc import Callable, Mapping

from sandbox.config import Settings
from sandbox.messaging import aliyun, robots, templates, tencent, wechat

Content = dict[str, object]


def _aliyun(settings: Settings) -> Content:
    return {
        "access_key_id": aliyun.KEY_ID,
        "access_key_secret": aliyun.SECRET,
        "sign_name": aliyun.SIGN,
        "endpoint_url": f"{settings.origin}{aliyun.PATH}",
        "templates": templates.aliyun_templates(),
    }


def _tencent(settings: Settings) -> Content:
    return {
        "secret_id": tencent.SECRET_ID,
        "secret_key": tencent.SECRET_KEY,
        "sdk_app_id": tencent.APP_ID,
        "sign_name": tencent.SIGN,
        "endpoint_url": f"{settings.origin}{tencent.PATH}",
        "templates": templates.tencent_templates(),
    }


def _wechat(settings: Settings) -> Content:
    return {
        "appid": settings.appid,
        "app_secret": wechat.SECRET,
        "api_url": f"{settings.origin}{wechat.PREFIX}",
        "templates": templates.wechat_templates(),
    }


def _email(settings: Settings) -> Content:
    return {
        "email_url": f"smtp://{settings.host}:{settings.smtp_port}",
        "from": "演示商店 <orders@shop.example>",
    }


def _dingtalk(settings: Settings) -> Content:
    url = f"{settings.origin}{robots.DINGTALK}?access_token={robots.DINGTALK_TOKEN}"
    return {"url": url, "secret": robots.DINGTALK_SECRET}


def _feishu(settings: Settings) -> Content:
    url = f"{settings.origin}{robots.FEISHU}{robots.FEISHU_TOKEN}"
    return {"url": url, "secret": robots.FEISHU_SECRET}


def _wecom(settings: Settings) -> Content:
    return {"url": f"{settings.origin}{robots.WECOM}?key={robots.WECOM_KEY}"}


MESSAGE_ACCOUNTS: Mapping[str, Callable[[Settings], Content]] = {
    "aliyun_sms": _aliyun,
    "tencent_sms": _tencent,
    "wechat_template": _wechat,
    "wechat_subscribe": _wechat,
    "email": _email,
    "dingtalk": _dingtalk,
    "feishu": _feishu,
    "wecom": _wecom,
}
