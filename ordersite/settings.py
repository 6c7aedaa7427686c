"""All settings, from the environment (`.env` beside manage.py is read first). What is malformed stops the start."""

from __future__ import annotations

import hashlib
import hmac
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery.schedules import crontab
from kombu import Queue

from ordersite import __version__
from ordersite.database import clock
from ordersite.health.error_reports import start_error_reports
from ordersite.lib import env
from ordersite.lib.adminkit.theme import UNFOLD as UNFOLD
from ordersite.lib.crypto import KeyRing
from ordersite.lib.mail_server import mail_settings
from ordersite.logs import FORMATS, LEVELS, logging_settings
from ordersite.schedule import DAILY, RHYTHMS
from ordersite.server.client_address import networks
from ordersite.server.content_policy import EVERY_PAGE
from ordersite.server.production import is_this_machine, refuse_debug, refuse_weak_keys

# Before any model takes `timezone.now` as a default.
clock.install()

BASE_DIR = Path(__file__).resolve().parent.parent
env.load_file(BASE_DIR / ".env")  # before anything is taken from the environment
VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var"))).resolve()

SECRET_KEY = env.text("SECRET_KEY")
KEY_RING = env.checked("FIELD_ENCRYPTION_KEYS", KeyRing.parse)
DEBUG = env.flag("DEBUG")

# The seal over the history uses keys of its own, made from the encryption keys: neither is ever in the database.
HISTORY_SEAL_KEYS = {
    item.partition(":")[0]: hmac.new(item.encode(), b"ordersite history seal", hashlib.sha256).digest()
    for item in env.words("FIELD_ENCRYPTION_KEYS")
}

PUBLIC_BASE_URL = env.text("PUBLIC_BASE_URL", "http://127.0.0.1:8000").rstrip("/")
_public = urlsplit(PUBLIC_BASE_URL)
if _public.scheme not in {"http", "https"} or not _public.hostname:
    env.stop("PUBLIC_BASE_URL", "must be an http or https address")
ALLOWED_HOSTS = [*env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]"), _public.hostname]
CSRF_TRUSTED_ORIGINS = [PUBLIC_BASE_URL]
_https = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
# People are sent to https. Machines are not: none of them follows, and some call past the proxy.
SECURE_SSL_REDIRECT = _https
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$", r"^push/", r"^api/"]
# Subdomains and the browsers' preload list belong to whom the whole domain belongs to, which is not the shop's software.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_HTTPONLY = True
# The longest life of a session (see ordersite.people.sessions, which also ends unused ones).
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"
# Whose X-Forwarded-For is believed.
TRUSTED_PROXIES = env.checked("TRUSTED_PROXIES", networks, "127.0.0.1,::1")
# Where calls to providers and carriers may go beside public addresses.
OUTGOING_ALLOWED_NETWORKS = env.checked("OUTGOING_ALLOWED_NETWORKS", networks, "")
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {"DIRECTIVES": EVERY_PAGE}

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "ordersite.apps.BackOfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "ordersite",
    "ordersite.health",
    "ordersite.queue",
    "ordersite.bulk_jobs",
    "ordersite.people",
    "ordersite.messaging",
    "ordersite.automation",
    "orders",
    "payments",
    "logistics",
    "ordersite.merchant_webhooks",
]

MIDDLEWARE = [
    "ordersite.server.request_id.RequestIdMiddleware",
    # Calls of providers and pushes of carriers are answered by these, and none of the others runs for them.
    "payments.notifications.view.NotifyMiddleware",
    "ordersite.messaging.reports.view.ReportMiddleware",
    "logistics.pushes.view.PushMiddleware",
    "ordersite.server.headers.HeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "ordersite.language.ChosenLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "ordersite.people.middleware.PeopleMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# What this process answers: everything, or providers' calls alone.
SERVES = env.choice("SERVES", "all", ("all", "notify"))
if SERVES == "notify":
    MIDDLEWARE = MIDDLEWARE[:7]
# The threads of a web process; at most half of them call the outside at a time.
WEB_THREADS = env.integer("WEB_THREADS", 8, least=1)
ROOT_URLCONF = "ordersite.notify_urls" if SERVES == "notify" else "ordersite.urls"
WSGI_APPLICATION = "ordersite.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


# --- Database ---


def _database(url: str) -> dict[str, Any]:
    config = env.database("DATABASE_URL", url)
    engine = config.get("ENGINE", "")
    if engine == "django.db.backends.sqlite3":
        # Deferred transactions fail at once when a lock is upgraded; FULL keeps the last commits on power loss.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    elif engine == "django.db.backends.postgresql":
        config["ENGINE"] = "ordersite.database.postgresql"
        if "options" in config.setdefault("OPTIONS", {}):
            env.stop(
                "DATABASE_URL", "must not name options, which a pooler refuses or drops: ALTER ROLE … SET"
            )
        config["OPTIONS"] = {
            "connect_timeout": 2,
            # The kernel gives up a host that vanished; one that is frozen still acknowledges: see database/silence.py.
            "tcp_user_timeout": 10_000,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            # Nothing for the server: a pooler refuses or drops it. Its time limits: ordersite/database/server_defaults.py.
            **config["OPTIONS"],  # sslmode and the like, from the address
        }
        config["DISABLE_SERVER_SIDE_CURSORS"] = True  # they live in a connection, which a pooler changes
        # A connection for each request costs 7 ms of PostgreSQL's time (measured): keep them, and check them.
        config["CONN_MAX_AGE"] = None
        config["CONN_HEALTH_CHECKS"] = True
    else:
        env.stop("DATABASE_URL", "must begin with sqlite:// or postgres://")
    return config


# Migrations may run as the owner of the tables, so that the application's own role cannot change history.
_migrating = "migrate" in sys.argv[1:2] and env.text("DATABASE_MIGRATION_URL", "") != ""
VAR_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
DATABASES = {
    "default": _database(
        env.text(
            "DATABASE_MIGRATION_URL" if _migrating else "DATABASE_URL",
            f"sqlite:///{VAR_DIR}/ordersite.sqlite3",
        )
    )
}
DATABASE_PREPARED_STATEMENTS = env.text("DATABASE_PREPARED_STATEMENTS", "auto")
if DATABASE_PREPARED_STATEMENTS not in {"auto", "on", "off"}:
    env.stop("DATABASE_PREPARED_STATEMENTS", f"must be auto, on or off, not {DATABASE_PREPARED_STATEMENTS!r}")
# Whom the migration leaves the tables to: this role may only add to and read the history (see orders.database_triggers).
APPLICATION_ROLE = str(_database(env.text("DATABASE_URL"))["USER"]) if _migrating else ""
# A folder for each database: an anchor of another one would make a whole history look broken.
_place = (DATABASES["default"].get(name) for name in ("HOST", "PORT", "NAME"))
HISTORY_ANCHOR_DIR = env.text(
    "HISTORY_ANCHOR_DIR", str(VAR_DIR / "anchors" / "-".join(Path(str(part)).stem for part in _place if part))
)
# The demonstration shop belongs to the embedded database unless DEMO=false, or to an empty one with DEMO=1.
IS_EMBEDDED = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
DEMO_SHOP = env.flag("DEMO", default=IS_EMBEDDED)
if DEBUG:
    refuse_debug([*ALLOWED_HOSTS, env.text("BIND", "127.0.0.1")])
if not ((DEBUG or DEMO_SHOP) and is_this_machine(_public.hostname)):
    refuse_weak_keys(SECRET_KEY, env.text("FIELD_ENCRYPTION_KEYS"))
# Whether roles that move money or change accounts have to log in with a second step, or may.
STAFF_TOTP = env.choice("STAFF_TOTP", "offered" if DEMO_SHOP else "required", ("required", "offered"))
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Celery carries wake-ups; the rows are the truth ---

REDIS_URL = env.address("REDIS_URL", "", schemes=("redis", "rediss", "unix"))
CELERY_BROKER_URL = env.address(
    "CELERY_BROKER_URL",
    "filesystem://localhost//",
    schemes=("redis", "rediss", "amqp", "amqps", "memory", "filesystem"),
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "ordersite"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A silent broker must not hold anybody up: without both of these a publish blocks for 45 s and longer (measured).
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
}
_queue_arguments: dict[str, str] | None = None
if CELERY_BROKER_URL.startswith("filesystem"):
    CELERY_BROKER_TRANSPORT = "ordersite.queue.file_broker:Transport"
    _broker = VAR_DIR / "broker"
    for _name in ("queue", "processed", "control"):
        (_broker / _name).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "data_folder_in": str(_broker / "queue"),
        "data_folder_out": str(_broker / "queue"),
        "processed_folder": str(_broker / "processed"),
        "control_folder": str(_broker / "control"),
        "polling_interval": 0.2,
    }
elif CELERY_BROKER_URL.startswith("redis"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {"max_retries": 1, "socket_timeout": 2, "socket_connect_timeout": 2}
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "max_retries": 1,
        "socket_timeout": 2,
        "connect_timeout": 2,
        "read_timeout": 10,
    }
    CELERY_TASK_DEFAULT_QUEUE_TYPE = "quorum"
    _queue_arguments = {"x-queue-type": "quorum"}
    CELERY_TASK_DEFAULT_EXCHANGE_TYPE = "topic"  # a direct exchange switches native delayed delivery off

# What calls the outside waits for others, however slow they are: its queue has workers of its own, so that it never
# holds those that apply notifications, run the relay and close orders. A worker without -Q takes both queues.
CELERY_TASK_QUEUES = tuple(
    Queue(name, routing_key=name, queue_arguments=_queue_arguments)
    for name in (CELERY_TASK_DEFAULT_QUEUE, "outside")
)
CELERY_TASK_ROUTES = {
    name: {"queue": "outside"}
    for name in (
        "payments.ask_providers",
        "payments.order_refunds",
        "payments.fetch_bills",
        "payments.send_staff_mail",
        "logistics.poll_tracking",
        "logistics.resolve_waybills",
        "logistics.push_dispatches",
        "messaging.send_messages",
        "merchant_webhooks.send",
    )
}


CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    one.task: {"task": one.task, "schedule": one.seconds} for one in RHYTHMS
} | {
    one.task: {"task": one.task, "schedule": crontab(minute=one.at.minute, hour=one.at.hour)} for one in DAILY
}
CELERY_BEAT_SCHEDULER = "ordersite.health.watched_beat:WatchedScheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")

CACHES = {
    "default": {
        "BACKEND": "ordersite.server.quick_cache.QuickRedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"serializer": "ordersite.lib.json_cache.JsonSerializer"},
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# --- The shop's rhythm ---

PAYMENT_TIMEOUT_MINUTES = env.integer("PAYMENT_TIMEOUT_MINUTES", 30, least=1)
TRACKING_POLL_HOURS = env.decimal_number("TRACKING_POLL_HOURS", 2, least=0.0001)
PARCEL_SILENCE_DAYS = env.decimal_number("PARCEL_SILENCE_DAYS", 10, least=0.01)
# A tracking link ends so many days after its order was completed or closed.
TRACKING_LINK_DAYS = env.integer("TRACKING_LINK_DAYS", 90, least=1)
TRACKING_VIEWS_A_MINUTE = 60  # of one address, over all links
# A held order that nobody has decided about for so many hours is escalated to supervisors.
HOLD_REVIEW_HOURS = env.decimal_number("HOLD_REVIEW_HOURS", 4, least=0.01)
# The log of intercepted attempts to order is deleted after so many days.
INTERCEPT_LOG_DAYS = env.integer("INTERCEPT_LOG_DAYS", 90, least=1)
# Days until the raw body of a provider's call is deleted; that of a rejected one after 14.
RAW_CALL_DAYS = env.integer("RAW_CALL_DAYS", 180, least=1)
METRICS_TOKEN = env.text("METRICS_TOKEN", "")

# --- Mail to staff: without a server it goes into files below var/mail ---

globals().update(
    env.checked("EMAIL_URL", lambda address: mail_settings(address, folder=VAR_DIR / "mail"), "")
)
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", f"ordersite@{_public.hostname}")
EMAIL_TIMEOUT = 5

# --- Language, time, files ---

LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
LANGUAGE_CODE = env.choice("LANGUAGE_CODE", "zh-hans", dict(LANGUAGES))
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
FORMAT_MODULE_PATH = ["ordersite.formats"]
USE_TZ = True
TIME_ZONE = env.text("TIME_ZONE", "Asia/Shanghai")
STATIC_URL = "static/"
# Made by whatever installs, as the compiled translations are: it belongs to the code, not to the data.
STATIC_ROOT = BASE_DIR / "static-built"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # for plain names
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
FILE_UPLOAD_HANDLERS = [
    "ordersite.lib.files.uploads.BoundedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
# What people hand in (statements, evidence): never below a folder that is served. Several machines share the folder, or
# use a storage that all of them reach.
PRIVATE_DIR = str(VAR_DIR / "private")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "ordersite.server.static_files.HashedFiles"},
    "private": {
        "BACKEND": env.text("PRIVATE_STORAGE", "ordersite.lib.files.private_folder.PrivateFolder"),
        "OPTIONS": env.json_object("PRIVATE_STORAGE_OPTIONS"),
    },
}

PASSWORD_HASHERS = ["ordersite.people.hashing.BoundedPBKDF2PasswordHasher"]
AUTHENTICATION_BACKENDS = ["ordersite.people.backend.PeopleBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

# --- API -------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["orders.clients.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["orders.clients.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["orders.clients.ClientRate"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "ordersite.lib.api.errors.handle",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "ordersite",
    "VERSION": __version__,
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SCHEMA_PATH_PREFIX_INSERT": "",
}

LOG_FORMAT = env.choice("LOG_FORMAT", "text", FORMATS)
LOGGING = logging_settings(level=env.choice("LOG_LEVEL", "INFO", LEVELS), form=LOG_FORMAT)
start_error_reports(env.text("SENTRY_DSN", ""), version=__version__)
