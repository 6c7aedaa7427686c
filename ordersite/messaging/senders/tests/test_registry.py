"""Every channel is a folder under its own name, found by the registry, and its keys are those of account files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ordersite.lib.errors import DomainError
from ordersite.messaging.senders.registry import SENDERS, channel_choices, get_sender
from ordersite.messaging.senders.types import ChannelKeys
from ordersite.outside_accounts.files import known_keys

PAGE = (Path(__file__).parents[4] / "docs" / "adding-a-channel.md").read_text()
FOLDERS = {path.parent.name for path in Path(__file__).parents[1].glob("*/adapter.py")}
KEYS = {
    "aliyun_sms": "access_key_id access_key_secret sign_name endpoint_url templates",
    "tencent_sms": "secret_id secret_key sdk_app_id sign_name endpoint_url region templates",
    "wechat_template": "appid app_secret api_url templates",
    "wechat_subscribe": "appid app_secret api_url templates",
    "email": "email_url from",
    "dingtalk": "url secret",
    "feishu": "url secret",
    "wecom": "url",
}


def test_every_folder_is_registered() -> None:
    assert set(SENDERS) == FOLDERS == set(KEYS)


@pytest.mark.parametrize("name", sorted(KEYS))
def test_keys_of_an_account_file(name: str) -> None:
    config, secrets = known_keys(get_sender(name))

    assert {*config, *secrets} == set(KEYS[name].split())
    assert get_sender(name).name == name


@pytest.mark.parametrize("name", sorted(KEYS))
def test_empty_account_lacks_each_key(name: str) -> None:
    sender = get_sender(name)

    problems = sender.check(ChannelKeys(name, "s", {}, {}))

    assert len(problems) == len(sender.config_keys) + len(sender.secret_keys)


@pytest.mark.parametrize("name", sorted(KEYS))
def test_channel_stands_in_both_tables(name: str) -> None:
    assert PAGE.count(f"\n| `{name}` | ") == 2


def test_channels_to_colleagues_stand_apart() -> None:
    assert [name for name, _label in channel_choices(for_staff=True)] == ["dingtalk", "feishu", "wecom"]
    assert [name for name, _label in channel_choices(for_staff=False)] == [
        "wechat_template", "wechat_subscribe", "aliyun_sms", "tencent_sms", "email",
    ]  # fmt: skip


def test_an_unknown_channel_is_refused() -> None:
    with pytest.raises(DomainError, match="unknown_channel"):
        get_sender("pigeon")
