"""Names the keys that an account's file may hold, and splits them into config and secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from django.utils.translation import gettext as _


class NamesKeys(Protocol):
    """An adapter names the keys of its account files: the first two kinds must be there, the optional ones may be.

    Config keys may be shown, secret keys never.
    """

    config_keys: tuple[str, ...] = ()
    secret_keys: tuple[str, ...] = ()
    optional_config_keys: tuple[str, ...] = ()
    optional_secret_keys: tuple[str, ...] = ()


class HasKeys(Protocol):
    """An account whose keys are split into config and secrets."""

    @property
    def config(self) -> Mapping[str, str]: ...

    @property
    def secrets(self) -> Mapping[str, Any]: ...


def known_keys(adapter: NamesKeys) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All config keys and all secret keys that an account file of this adapter may hold."""
    return (
        adapter.config_keys + adapter.optional_config_keys,
        adapter.secret_keys + adapter.optional_secret_keys,
    )


def missing_keys(adapter: NamesKeys, account: HasKeys) -> list[str]:
    """A sentence in the reader's language for each required key that is absent or empty."""
    given = {**account.config, **account.secrets}
    needed = adapter.config_keys + adapter.secret_keys
    return [_("%(key)s is missing.") % {"key": name} for name in needed if not given.get(name)]


def unknown_keys(adapter: NamesKeys, names: Iterable[str]) -> list[str]:
    """The names that this adapter does not know, sorted."""
    config_keys, secret_keys = known_keys(adapter)
    return sorted(set(names) - set(config_keys) - set(secret_keys))


def split(adapter: NamesKeys, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values as config and secrets, in the adapter's order; empty ones are left out."""
    config_keys, secret_keys = known_keys(adapter)
    return (
        {name: values[name] for name in config_keys if values.get(name)},
        {name: values[name] for name in secret_keys if values.get(name)},
    )
