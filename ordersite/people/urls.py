from __future__ import annotations

from django.urls import path

from ordersite.people import pages

urlpatterns = [
    path("accounts/security/", pages.security, name="security"),
    path("accounts/security/set-up/", pages.set_up, name="security-set-up"),
    path("accounts/security/code/", pages.code, name="security-code"),
    path("accounts/security/recovery-codes/", pages.recovery_codes, name="security-recovery-codes"),
    path("accounts/security/switch-off/", pages.switch_off, name="security-switch-off"),
    path("accounts/security/other-sessions/", pages.end_others, name="security-other-sessions"),
    path("accounts/password-again/", pages.ask_password, name="password-again"),
]
