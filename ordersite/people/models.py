"""A person's authenticator app, and the codes that replace a lost phone."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from base64 import b32decode

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from ordersite.lib.crypto import CannotDecrypt

# Codes of the app before and after the present one, for clocks that differ by half a minute.
_TOLERANCE = 1
# django-otp waits 1, 2, 4 ... seconds after a wrong code: with ten failures 512. Longer would shut people out for days.
_MOST_DOUBLINGS = 10
_APP_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_RECOVERY_CODE = re.compile(r"[A-Z2-7]{16}", re.ASCII)

logger = logging.getLogger(__name__)


def compact(code: str) -> str:
    """Return a code as typed without its blanks and hyphens, in capitals."""
    return re.sub(r"[\s-]", "", code).upper()


def is_recovery_code(code: str) -> bool:
    """Tell whether a typed code has the form of a recovery code."""
    return _RECOVERY_CODE.fullmatch(compact(code)) is not None


def digest_of(code: str) -> str:
    """Return the SHA-256 of a recovery code. It has 80 random bits, so it needs neither salt nor slow hashing."""
    return hashlib.sha256(compact(code).encode()).hexdigest()


class Authenticator(ThrottlingMixin, Device):
    """The authenticator app of one person (TOTP, RFC 6238: six digits, 30 s, SHA-1, as all apps read it).

    `sealed_key` is the base32 key, encrypted and bound to the person: django-otp's own model keeps it in clear.
    `last_step` is the time step of the last code taken; a code of it or an earlier one is refused.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="authenticator")
    sealed_key = models.TextField()
    last_step = models.BigIntegerField(default=-1)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("authenticator app")
        verbose_name_plural = _("authenticator apps")

    def verify_token(self, token: str) -> bool:
        """Take a code of the app or a recovery code, each once. Lock the row first.

        After a wrong one everything is refused for 1, 2, 4 ... up to 512 s.
        """
        if not self.verify_is_allowed()[0]:
            return False
        code = compact(token)
        is_good = self._takes_app_code(code) or self._takes_recovery_code(code)
        if is_good:
            self.throttle_reset(commit=False)
        else:
            self.throttle_increment(commit=False)
            self.throttling_failure_count: int = min(self.throttling_failure_count, _MOST_DOUBLINGS)
        self.save()
        return is_good

    def get_throttle_factor(self) -> int:
        """Return the seconds to wait after the first wrong code."""
        return 1

    def _takes_app_code(self, code: str) -> bool:
        if not _APP_CODE.fullmatch(code):
            return False
        try:
            key = open_key(self.sealed_key, user_id=self.user_id)
        except CannotDecrypt:
            logger.error("the key of an authenticator app cannot be opened", extra={"row": self.pk})
            return False
        step = step_of(key, code, after=self.last_step)
        if step is None:
            return False
        self.last_step = step
        return True

    def _takes_recovery_code(self, code: str) -> bool:
        if not _RECOVERY_CODE.fullmatch(code):
            return False
        unused = self.recovery_codes.filter(digest=digest_of(code), used_at__isnull=True)
        return unused.update(used_at=timezone.now()) == 1


class RecoveryCode(models.Model):
    """A code that is shown once and works once, instead of a code of the app."""

    authenticator = models.ForeignKey(Authenticator, models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("recovery code")
        verbose_name_plural = _("recovery codes")
        constraints = [
            models.UniqueConstraint(fields=["authenticator", "digest"], name="people_recovery_code_once")
        ]

    def __str__(self) -> str:
        return f"recovery code {self.pk}"


def seal_key(key: str, *, user_id: int) -> str:
    """Encrypt a base32 key for this person's row."""
    return settings.KEY_RING.seal(key, bound_to=place_of_key(user_id))


def open_key(sealed: str, *, user_id: int) -> str:
    """Decrypt a sealed key. Raises `CannotDecrypt`."""
    return str(settings.KEY_RING.open(sealed, bound_to=place_of_key(user_id)))


def step_of(key: str, code: str, *, after: int = -1) -> int | None:
    """Return the time step whose code this is, now and later than `after`; None for any other code."""
    if not _APP_CODE.fullmatch(code):
        return None
    totp = TOTP(b32decode(key))
    totp.time = time.time()
    return int(totp.t()) if totp.verify(int(code), _TOLERANCE, after + 1) else None


def place_of_key(user_id: int) -> str:
    """What the sealed key of a person is bound to."""
    return f"people_authenticator.sealed_key.{user_id}"


class LoginFailure(models.Model):
    """Failed log-ins of one name at one address (IPv6: its /64). Times are UTC.

    The name is kept as a keyed digest, since people type passwords into the wrong field; `user` is whose name it is.
    """

    digest = models.CharField(max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, verbose_name=_("user"))
    address = models.CharField(_("address"), max_length=50)
    failures = models.PositiveIntegerField(_("failures"), default=0)
    since = models.DateTimeField()
    last_at = models.DateTimeField(_("last"))

    class Meta:
        verbose_name = _("failed log-in")
        verbose_name_plural = _("failed log-ins")
        constraints = [models.UniqueConstraint(fields=["digest", "address"], name="people_failure_once")]
        indexes = [
            models.Index(fields=["address", "last_at"], name="people_failure_address"),
            models.Index(fields=["last_at"], name="people_failure_old"),
        ]

    def __str__(self) -> str:
        return f"{self.user or '–'} · {self.address}"


class KnownAddress(models.Model):
    """An address from which a person has logged in. Times are UTC."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    address = models.CharField(max_length=50)
    last_at = models.DateTimeField()

    class Meta:
        verbose_name = _("known address")
        verbose_name_plural = _("known addresses")
        constraints = [models.UniqueConstraint(fields=["user", "address"], name="people_known_once")]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.address}"
