"""Every setting, driven by the environment; docs/reference/settings.md says each in a line and a test compares."""

from __future__ import annotations

import contextlib
import os
import secrets as random_secrets
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from outreach.core import database

env = environ.FileAwareEnv()

ROOT = Path(__file__).resolve().parent.parent
#: Templates lie beside the package in a checkout and inside it in a wheel.
TEMPLATES_DIR = ROOT / "templates" if (ROOT / "templates").is_dir() else Path(__file__).parent / "_templates"

#: Loopback and private networks.
LOCAL_NETWORKS = ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]


def _networks(name: str, *, default: list[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(each.strip(), strict=False) for each in env.list(name, default=default) if each.strip())
    except ValueError as err:
        raise ImproperlyConfigured(f"{name}: {err}") from err


#: Folder of everything that this installation keeps: the embedded database, the secret key, uploads, reject files.
DATA = Path(env.str("OUTREACH_DATA", default="var")).resolve()
#: Port of the web process.
PORT = env.int("OUTREACH_PORT", default=8000)
#: Address that the web process listens on.
HOST = env.str("OUTREACH_HOST", default="127.0.0.1")
#: Processes of a worker that carry campaigns at once.
WORKERS = env.int("OUTREACH_WORKERS", default=max(2, os.cpu_count() or 2))
#: Where readers reach us; links in messages start with it.
BASE_URL = env.str("OUTREACH_BASE_URL", default=f"http://127.0.0.1:{PORT}").rstrip("/")
#: Shows tracebacks to developers; never in production.
DEBUG = env.bool("OUTREACH_DEBUG", default=False)
#: Networks that outgoing requests may reach though private (comma-separated CIDR).
ALLOW_PRIVATE = tuple(env.list("OUTREACH_ALLOW_PRIVATE", default=[]))
#: Networks of the proxies whose word on who asks is believed (comma-separated CIDR); empty for nobody's.
TRUSTED_PROXIES = _networks("OUTREACH_TRUSTED_PROXIES", default=LOCAL_NETWORKS)
#: DNS servers to ask instead of the system's (comma-separated HOST or HOST:PORT); `none` to ask nobody.
RESOLVER = env.str("OUTREACH_RESOLVER", default="")
#: A list of hosting networks to use instead of the shipped one: a file with a network (CIDR) a line.
HOSTING_NETWORKS = Path(env.str("OUTREACH_HOSTING_NETWORKS")) if env.str("OUTREACH_HOSTING_NETWORKS", "") else None
#: Seconds of absence after which runs under way are held and asked about.
GRACE = env.int("OUTREACH_GRACE", default=900)
#: Months for which the rows of deliveries and events are kept after their run ended; 0 keeps them for ever.
KEEP_MONTHS = env.int("OUTREACH_KEEP_MONTHS", default=0)
#: Hours within which somebody who wrote is to be answered.
ANSWER_HOURS = env.int("OUTREACH_ANSWER_HOURS", default=24)
#: Where mail is taken in (comma-separated `lmtp://HOST:PORT` or `smtp://HOST:PORT`); nowhere where empty.
MAIL_LISTEN = tuple(env.list("OUTREACH_MAIL_LISTEN", default=[]))
#: Whether accounts' mailboxes are watched (IMAP IDLE) besides being polled; None where `outreach run` finds it out.
MAIL_WATCH = env.bool("OUTREACH_MAIL_WATCH", default=None)
#: Name by which we greet servers that hand mail to us.
MAIL_NAME = env.str("OUTREACH_MAIL_NAME", default="") or urlsplit(BASE_URL).hostname or "localhost"
#: File with certificate and key (PEM) for STARTTLS, where mail is taken in by SMTP.
MAIL_CERTIFICATE = env.str("OUTREACH_MAIL_CERTIFICATE", default="")
#: Largest message that is taken in, bytes.
MAIL_MAX_BYTES = env.int("OUTREACH_MAIL_MAX_BYTES", default=25 * 1024 * 1024)
#: Messages taken in from one address in a minute; 0 for no limit.
MAIL_PER_MINUTE = env.int("OUTREACH_MAIL_PER_MINUTE", default=600)
#: Largest file of subscribers that is taken in, bytes.
IMPORT_MAX_BYTES = env.int("OUTREACH_IMPORT_MAX_BYTES", default=512 * 1024 * 1024)
#: The broker; empty means the embedded one over the database.
BROKER_URL = env.str("BROKER_URL", default="")
#: Whether the local peers of the demonstration run beside the product.
SANDBOX = env.bool("OUTREACH_SANDBOX", default=False)
#: The first of the peers' ports on loopback; the demonstration's accounts point there.
SANDBOX_PORT = env.int("OUTREACH_SANDBOX_PORT", default=PORT + 1)
_PEERS = ("smtp", "phone", "social", "sendgrid", "imap")
SANDBOX_PORTS = {name: SANDBOX_PORT + step for step, name in enumerate(_PEERS)}


def _kept_secret_key() -> str:
    """The installation's key, made once and kept in the data folder, readable by its owner alone."""
    path = DATA / "secret_key"
    if not path.exists():
        DATA.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"secret_key.{random_secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(random_secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):  # another process was first: its key counts
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text().strip()


#: Signs sessions and tokens, encrypts accounts' secrets; made and kept in the data folder when absent.
SECRET_KEY = env.str("OUTREACH_SECRET_KEY", default="") or _kept_secret_key()

#: Keys of the accounts' credentials, comma-separated: the first seals, each opens, the secret key last.
ENCRYPTION_KEYS = tuple(
    key.strip() for key in env.str("OUTREACH_ENCRYPTION_KEYS", default="").split(",") if key.strip()
)

#: Keys of the links in messages, comma-separated: the first signs, each verifies, the secret key last.
TOKEN_KEYS = tuple(key.strip() for key in env.str("OUTREACH_TOKEN_KEYS", default="").split(",") if key.strip())

#: The database; absent means the embedded PostgreSQL in the data folder.
DATABASE_URL = env.str("DATABASE_URL", default="")
DATABASES = {"default": database.django_settings(DATABASE_URL or None, DATA)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

ALLOWED_HOSTS = ["*"] if DEBUG else env.list("OUTREACH_HOSTS", default=["*"])
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "ninja",
    "outreach.apps.OutreachConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "outreach.web.uploads.UploadLimitMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "outreach.web.console.errors.RefusedValueMiddleware",
    "outreach.web.api.problems.ProblemMiddleware",
    "outreach.web.api.idempotency.IdempotencyMiddleware",
]
ROOT_URLCONF = "outreach.web.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [TEMPLATES_DIR],
        "APP_DIRS": False,
        "OPTIONS": {
            "environment": "outreach.web.jinja.environment",
            "context_processors": ["django.contrib.messages.context_processors.messages"],
        },
    },
]

AUTH_USER_MODEL = "outreach.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = BASE_URL.startswith("https://")
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
CSRF_TRUSTED_ORIGINS = [BASE_URL]
CSRF_FAILURE_VIEW = "outreach.web.console.errors.csrf_failed"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "base-uri": [NONE],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [SELF],
        "frame-src": [SELF],
        "img-src": [SELF, "data:"],
        "manifest-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
    }
}

LANGUAGE_CODE = "en"
LANGUAGES = [("bg", "Български"), ("en", "English")]
LOCALE_PATHS = [Path(__file__).parent / "locale"]
LANGUAGE_COOKIE_NAME = "outreach_language"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
#: Static files are served from where they lie; nothing is collected.
STATIC_ROOT = None
STATICFILES_DIRS = [Path(__file__).parent / "web" / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
FILE_UPLOAD_TEMP_DIR = None
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("OUTREACH_LOG_LEVEL", default="WARNING")},
}

#: What the console calls the product.
PRODUCT_NAME = _("Outreach")
