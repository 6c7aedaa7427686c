"""Checks of what comes from the environment: keys, addresses, mail, log-ins, and the folders that the product writes."""

from __future__ import annotations

import ipaddress
import os
import socket
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.core import checks
from django.core.files.storage import storages
from django.utils.translation import gettext as _

from logistics.models import CarrierAccount
from ordersite.health.catalogues import check_catalogues
from ordersite.installation.result import Found, bad, good, warn
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.files.private_folder import PrivateFolder
from ordersite.messaging.models import MessageAccount
from ordersite.people import second_step
from ordersite.server.production import is_this_machine
from payments.models import PaymentAccount

# A mail server that does not answer must not hold a web thread for long.
MAIL_SECONDS = 2.0
_OTHERS, _WORLD, _GROUP_READS = 0o077, 0o007, 0o040
_INSIDE = (".local", ".internal", ".lan", ".test", ".example", ".invalid")


def check_keys() -> Found:
    """The file of keys is for its owner alone, and the keys open what is stored."""
    file = Path(settings.BASE_DIR) / ".env"
    if file.is_file() and not is_private(file.stat(), user=os.geteuid(), group=os.getegid()):
        return bad(
            _(
                "Others can read %(file)s, where the keys are: chmod 600 it, or 640 where it belongs to root and to the"
                " product's own group."
            )
            % {"file": file}
        )
    accounts = (PaymentAccount, CarrierAccount, MessageAccount)
    for account in (row for model in accounts for row in model._default_manager.all()[:100]):
        try:
            account.open_secrets()
        except CannotDecrypt:
            return bad(
                _(
                    "The secrets of %(account)s cannot be opened: put the key that wrote them back into"
                    " FIELD_ENCRYPTION_KEYS, or save the account anew."
                )
                % {"account": account.slug}
            )
    return good(
        _("Strong enough, and they open what is stored. Keep a copy apart from the database's backup.")
    )


def is_private(status: os.stat_result, user: int, group: int) -> bool:
    """Whether a file is for its owner alone, or root's and readable for the product's group, as the units have it.

    `user` and `group` are those of the process. Root cannot tell which group is the product's, so it takes each.
    """
    others = status.st_mode & _OTHERS
    return not others or (
        others == _GROUP_READS and status.st_uid == 0 and (user == 0 or status.st_gid == group)
    )


def check_mode() -> Found:
    """Neither error pages with details nor the demonstration shop."""
    if settings.DEBUG:
        return bad(_("DEBUG is on: error pages show settings. Set DEBUG=false."))
    if settings.DEMO_SHOP:
        return warn(_("The demonstration shop is open to everybody: set DEMO=false for a real installation."))
    return good(_("DEBUG and the demonstration shop are off."))


def check_address() -> Found:
    """PUBLIC_BASE_URL is https, so that cookies are sent over it alone."""
    address = settings.PUBLIC_BASE_URL
    if urlsplit(address).scheme != "https":
        return bad(
            _("%(address)s is not https: set PUBLIC_BASE_URL to the address that buyers see.")
            % {"address": address}
        )
    if "*" in settings.ALLOWED_HOSTS:
        return bad(_("ALLOWED_HOSTS takes any name: list those of this site."))
    return good(address)


def check_callbacks() -> Found:
    """A provider could reach the callback addresses: judged by their form, nothing is called."""
    parts = urlsplit(settings.PUBLIC_BASE_URL)
    host, shown = parts.hostname or "", {"address": f"{settings.PUBLIC_BASE_URL}/notify/…"}
    if is_this_machine(host) or _is_inside(host):
        return bad(_("No provider can reach %(address)s: PUBLIC_BASE_URL must be a public name.") % shown)
    if parts.path or parts.query or parts.port not in (None, 443):
        return warn(
            _("Some providers call only port 443 and a name without a path: %(address)s may not be reached.")
            % shown
        )
    return good(shown["address"])


def _is_inside(host: str) -> bool:
    """A private or special address, or a name that means nothing outside."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_INSIDE)


def check_second_step() -> Found:
    """Roles that move money log in with an authenticator app."""
    people = User.objects.filter(is_active=True, is_staff=True, authenticator__isnull=True)
    without = sum(map(second_step.moves_money_or_changes_accounts, people[:200]))
    if settings.STAFF_TOTP != "required":
        return warn(
            _(
                "It is left to each person (%(count)s without): set STAFF_TOTP=required for roles that move money."
            )
            % {"count": without}
        )
    if without:
        return good(
            _("Required; %(count)s people set up their app at their next log-in.") % {"count": without}
        )
    return good(_("Required, and set up by everybody who needs it."))


def check_mail() -> Found:
    """Mail goes to a server, and the server takes a connection."""
    if not settings.EMAIL_BACKEND.startswith("ordersite."):
        return warn(_("Mail goes into files: set EMAIL_URL, so that people hear of what waits for them."))
    server = {"host": settings.EMAIL_HOST, "port": settings.EMAIL_PORT}
    try:
        socket.create_connection((settings.EMAIL_HOST, settings.EMAIL_PORT), timeout=MAIL_SECONDS).close()
    except OSError:
        return bad(_("%(host)s:%(port)s takes no connection: look at EMAIL_URL.") % server)
    return good(_("%(host)s:%(port)s, from %(sender)s") % {**server, "sender": settings.DEFAULT_FROM_EMAIL})


def check_translations() -> Found:
    """Catalogues are compiled, and newer than their sources."""
    problems = check_catalogues()
    if any(one.level >= checks.ERROR for one in problems):
        return bad(_("Not compiled, so that pages are half English: run `make messages`."))
    if problems:
        return warn(_("Older than their source: run `make messages`."))
    return good(_("Compiled."))


def check_static_files() -> Found:
    """Where names of static files carry a hash, the table of the names is there."""
    storage = staticfiles_storage
    if not isinstance(storage, ManifestFilesMixin):
        return good(_("Served from where they lie."))
    if not storage.hashed_files:
        return warn(_("Not built from the sources that are here: run `python -m scripts.static_files`."))
    return good(_("Collected: %(count)s files with hashed names.") % {"count": len(storage.hashed_files)})


def check_private_files() -> Found:
    """What people hand in can be stored, and others cannot read it."""
    storage = storages["private"]
    name = storage.__class__.__name__
    if not isinstance(storage, PrivateFolder):
        try:
            storage.exists("installation-check")
        except Exception as error:  # whatever the storage's own library raises
            shown = {"storage": name, "error": error.__class__.__name__}
            return bad(_("%(storage)s does not answer (%(error)s): look at PRIVATE_STORAGE.") % shown)
        return good(_("Kept by %(storage)s.") % {"storage": name})
    return _folder(Path(settings.PRIVATE_DIR)) or good(
        _("%(folder)s: belongs in the backup; several machines share it.") % {"folder": settings.PRIVATE_DIR}
    )


def check_anchor_folder() -> Found:
    """The daily anchors of the history can be written; best on a disk of their own."""
    place = Path(settings.HISTORY_ANCHOR_DIR)
    problem = _folder(place)
    if problem:
        return problem
    if place.resolve().is_relative_to(Path(settings.VAR_DIR)):
        return warn(
            _(
                "Anchors lie beside everything else: set HISTORY_ANCHOR_DIR to a disk that the database server cannot"
                " write, and back it up."
            )
        )
    return good(str(place))


def _folder(place: Path) -> Found | None:
    """Say what is wrong with a folder of ours; None when nothing is. It is made where it is missing."""
    shown = {"folder": place}
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError:
        return bad(_("%(folder)s cannot be written: give it to the user that runs the product.") % shown)
    if _open_to_the_world(place):
        return bad(_("Everybody on this machine can look into %(folder)s: chmod 700 it.") % shown)
    return None


def _open_to_the_world(place: Path) -> bool:
    """Whether others may read the folder: one closed folder above it is enough."""
    return os.name == "posix" and all(one.stat().st_mode & _WORLD for one in (place, *place.parents))
