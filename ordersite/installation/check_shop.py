"""Checks of the first rows: a merchant, a warehouse, accounts, programs, and the people who decide."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from logistics.models import Warehouse
from orders.models import ApiClient, Merchant
from ordersite.installation.result import Found, bad, good, warn
from ordersite.roles import role_label
from payments.models import PaymentAccount

SETUP = "manage.py setup"
# How many people of a role a shop needs: one hands in what another confirms.
NEEDED = {"agent": 1, "finance": 2, "operations": 2}


def check_merchant() -> Found:
    return _named(Merchant.objects.filter(is_active=True), _("No shop sells anything yet: run `%s`.") % SETUP)


def check_warehouse() -> Found:
    rows = Warehouse.objects.filter(is_active=True)
    return _named(rows, _("Nobody can confirm parcels: run `%s`.") % SETUP)


def check_accounts() -> Found:
    rows = PaymentAccount.objects.filter(is_active=True)
    return _named(rows, _("Nobody can pay: run `%s` or `manage.py set_payment_account`.") % SETUP)


def check_programs() -> Found:
    rows = ApiClient.objects.filter(is_active=True)
    if not rows:
        return warn(_("No program may create orders: run `%s` or `manage.py add_api_client`.") % SETUP)
    return _named(rows, "")


def _named(
    rows: QuerySet[Merchant] | QuerySet[Warehouse] | QuerySet[PaymentAccount] | QuerySet[ApiClient],
    missing: str,
) -> Found:
    """Name the first rows; without any, say what is missing."""
    names = [str(row) for row in rows.order_by("pk")[:4]]
    if not names:
        return bad(missing)
    more = rows.count() - 3
    shown = names if more <= 1 else [*names[:3], _("%(more)s more") % {"more": more}]
    return good(" · ".join(shown))


def active_staff() -> QuerySet[User]:
    return User.objects.filter(is_active=True, is_staff=True)


def check_administrator() -> Found:
    people = active_staff().filter(is_superuser=True)
    if not people:
        return bad(_("Nobody can make log-ins: run `%s` or `manage.py createsuperuser`.") % SETUP)
    return good(" · ".join(one.get_username() for one in people.order_by("pk")[:4]))


def check_people() -> Found:
    """Enough people of the roles in which one confirms what another hands in."""
    counts = {role: active_staff().filter(groups__name=role).distinct().count() for role in NEEDED}
    lacking = [
        f"{role_label(role)} {counts[role]}/{least}" for role, least in NEEDED.items() if counts[role] < least
    ]
    if lacking:
        return warn(
            _("Too few (%(lacking)s): what one hands in, another confirms. Run `%(command)s`.")
            % {"lacking": ", ".join(lacking), "command": SETUP}
        )
    return good(" · ".join(f"{role_label(role)} {count}" for role, count in counts.items()))


def check_mail_addresses() -> Found:
    """Staff can be told what waits for them."""
    people = active_staff().filter(Q(groups__name__in=NEEDED) | Q(is_superuser=True)).distinct()
    without = [one.get_username() for one in people.filter(email="").order_by("username")[:6]]
    if without:
        return warn(
            _("Without an address, and so never told of anything: %(names)s.") % {"names": ", ".join(without)}
        )
    return good(_("Everybody has one."))
