"""All settings: read from the environment once, typed, with a default and a sentence each.

`ENVIRONMENT` documents every variable; the list in the manual and the system check
`cloudportal.E001` are made from it.
"""

from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
import environ

from cloudportal.network_numbers import address_ranges, network_type, vlan_numbers, vxlan_numbers

# Django's generic classes (ModelAdmin and others) take their type arguments at run time too.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

ENVIRONMENT = {
    "CLOUDPORTAL_VAR": "State folder: database, images, keys, logs. Default: var/ in the project.",
    "CLOUDPORTAL_PORT": "TCP port of the web process on 127.0.0.1. Default: 8000.",
    "CLOUDPORTAL_BIND": "Address the web process listens on. Default: 127.0.0.1.",
    "CLOUDPORTAL_URL": "Public base URL, as clients see it. Default: http://BIND:PORT.",
    "CLOUDPORTAL_LIVE_PORT": "TCP port of the live process. Default: CLOUDPORTAL_PORT + 1.",
    "CLOUDPORTAL_LIVE_URL": "Public base URL of the live process. Default: ws://HOST:LIVE_PORT "
    "with the host of CLOUDPORTAL_URL; wss://HOST where that is https.",
    "CLOUDPORTAL_CONSOLE_LIFETIME_S": "Lifetime of a console's address in seconds. Default: 600.",
    "CLOUDPORTAL_RESIZE_CONFIRM_S": "Seconds until a resize is confirmed, 0: never. Default: 0.",
    "CLOUDPORTAL_LIVE_MIGRATION_POSTCOPY": "Let guests whose live migration does not come to its "
    "end run at their destination before all of their memory is there. Default: off.",
    "CLOUDPORTAL_LIVE_MIGRATION_POSTCOPY_S": "Seconds of sending memory after which that is done. "
    "Default: 120.",
    "CLOUDPORTAL_HOSTS": "Comma-separated host names that requests may name. Default: loopback's.",
    "CLOUDPORTAL_DEBUG": "Django's debug mode, for development only. Default: off.",
    "CLOUDPORTAL_WORKERS": "django-q2 worker processes of the default queue. Default: 2.",
    "CLOUDPORTAL_LOG_LEVEL": "DEBUG, INFO, WARNING or ERROR. Default: INFO.",
    "CLOUDPORTAL_TOKEN_LIFETIME_S": "Lifetime of an identity token in seconds. Default: 3600.",
    "CLOUDPORTAL_LOCKOUT_TRIES": "Wrong passwords in a row that lock a user out, 0: never. "
    "Default: 10.",
    "CLOUDPORTAL_LOCKOUT_S": "Seconds from the last wrong password until the lock ends. "
    "Default: 300.",
    "CLOUDPORTAL_STATEMENT_DAYS": "Days for which it is known what quota was used for. "
    "Default: 400.",
    "CLOUDPORTAL_MAX_IMAGE_BYTES": "Largest image upload in bytes. Default: 64 GiB.",
    "CLOUDPORTAL_IMAGES": "Folder of image data, one for all machines. Default: VAR/images.",
    "CLOUDPORTAL_IMPORT_NETWORKS": "Comma-separated networks that images may be fetched from "
    "beside public addresses, such as a mirror's: 10.1.2.0/24. Default: none.",
    "CLOUDPORTAL_IMPORT_TIMEOUT_S": "Seconds that fetching an image may take. Default: 3600.",
    "CLOUDPORTAL_SHELVED_OFFLOAD_S": "Seconds after which shelved servers leave their hosts, "
    "-1 for never. Default: 0.",
    "CLOUDPORTAL_NETWORK_TYPE": "What networks are that name no type: nat or vxlan. Default: nat.",
    "CLOUDPORTAL_VLAN_IDS": "VLANs for networks that name none, by physical network, as "
    "NAME:FIRST:LAST, comma-separated. Default: none.",
    "CLOUDPORTAL_VXLAN_IDS": "FIRST:LAST of the VXLAN numbers for networks that name none. "
    "Default: 1:16777215.",
    "CLOUDPORTAL_HEARTBEAT_S": "Seconds between two looks at each hypervisor. Default: 10.",
    "DATABASE_URL": "sqlite:///PATH or postgres://USER:PASSWORD@HOST/NAME. Default: SQLite in VAR.",
    "SECRET_KEY_FILE": "File with the signing key, made by the set-up. Default: VAR/secret_key.",
}

env = environ.Env()

VAR_DIR = Path(env.str("CLOUDPORTAL_VAR", str(BASE_DIR / "var"))).resolve()
BIND = env.str("CLOUDPORTAL_BIND", "127.0.0.1")
PORT = env.int("CLOUDPORTAL_PORT", 8000)
PUBLIC_URL = env.str("CLOUDPORTAL_URL", f"http://{BIND}:{PORT}").rstrip("/")
LIVE_PORT = env.int("CLOUDPORTAL_LIVE_PORT", PORT + 1)
DEBUG = env.bool("CLOUDPORTAL_DEBUG", False)

_public = urlsplit(PUBLIC_URL)
# With https there is a proxy before the portal, which can take the websockets as well.
LIVE_URL = env.str(
    "CLOUDPORTAL_LIVE_URL",
    f"wss://{_public.netloc}"
    if _public.scheme == "https"
    else f"ws://{_public.netloc.removesuffix(f':{_public.port}')}:{LIVE_PORT}",
).rstrip("/")

SECRET_KEY_FILE = Path(env.str("SECRET_KEY_FILE", str(VAR_DIR / "secret_key")))
# Without the file only commands that sign nothing work; the system check says so before a process
# serves anything.
SECRET_KEY = SECRET_KEY_FILE.read_text().strip() if SECRET_KEY_FILE.is_file() else "not-set-up"

ALLOWED_HOSTS = env.list("CLOUDPORTAL_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_q",
    "cloudportal",
    # Before the hypervisors, whose command gets one more verb here.
    "maintenance",
    "operations",
    "identity",
    "flavors",
    "quotas",
    "hypervisors",
    "images",
    "networks",
    "volumes",
    "scheduling",
    "servers",
    "integrity",
    "dashboard",
]

MIDDLEWARE = [
    "cloudportal.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "dashboard.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "cloudportal.middleware.WirePathMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "cloudportal.urls"
WSGI_APPLICATION = "cloudportal.wsgi.application"
# The wire APIs are exact about slashes: their clients never expect a redirect.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

_database = env.db("DATABASE_URL", f"sqlite:///{VAR_DIR / 'cloudportal.sqlite3'}")
if _database["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE: a transaction that will write takes the write lock at its start and waits for it,
    # where DEFERRED fails at once when two upgrade together.
    _database.setdefault("OPTIONS", {}).update(
        {
            "transaction_mode": "IMMEDIATE",
            # Writers wait in no order for the one lock: in a crowd the last one waits long.
            "timeout": 60,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728;"
                "PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY"
            ),
        }
    )
elif _database["ENGINE"] == "django.db.backends.postgresql":
    _database["ENGINE"] = "cloudportal.postgresql"
    # A database server that is gone without a word is noticed in seconds.
    _database.setdefault("OPTIONS", {}).update(
        {
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
        }
    )
# A connection a thread, kept: a pool's own threads and sockets would not survive the forks that
# make workers. After a restart of the server the check finds the dead ones.
_database["CONN_MAX_AGE"] = 600
_database["CONN_HEALTH_CHECKS"] = True
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "identity.User"
AUTHENTICATION_BACKENDS = ["identity.backends.DomainBackend"]
PASSWORD_HASHERS = [
    "identity.hashers.SmallArgon2Hasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# A user's name is unique in its domain, not alone; DomainBackend looks it up with the domain.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
CSRF_FAILURE_VIEW = "dashboard.errors.csrf_refused"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
# Vendored files lie under their version, so browsers may keep them for ever.
WHITENOISE_IMMUTABLE_FILE_TEST = r"/vendor/[^/]+/\d+(\.\d+)+/"

# Image uploads are streamed by their own view; everything else is small.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["identity.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["cloudportal.api.permissions.IsAuthenticatedActor"],
    "DEFAULT_RENDERER_CLASSES": ["cloudportal.api.renderers.WireJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["cloudportal.api.parsers.WireJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "cloudportal.api.negotiation.WireNegotiation",
    "DEFAULT_SCHEMA_CLASS": "cloudportal.api.openapi.WireAutoSchema",
    "EXCEPTION_HANDLER": "cloudportal.api.faults.wire_exception_handler",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "cloudportal",
    "DESCRIPTION": "A self-service private cloud that speaks OpenStack's wire APIs.",
    "VERSION": "0.1.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # Some hundred calls: closed, by resource, with a field to find them.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "docExpansion": "none", "filter": True},
    "REDOC_DIST": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    # 3.1: its schemas are JSON Schema, which our declarations are.
    "OAS_VERSION": "3.1.0",
}

# A job is a wake-up only (see operations/engine.py), so a lost one costs a sweep and a doubled one
# nothing. `retry` above `timeout` keeps the broker from handing out a job that still runs.
Q_CLUSTER = {
    "name": "default",
    "orm": "default",
    "broker_class": "operations.broker.WakingBroker",
    "workers": env.int("CLOUDPORTAL_WORKERS", 2),
    "timeout": 900,
    "retry": 960,
    "guard_cycle": 1,
    "recycle": 2000,
    "save_limit": -1,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "scheduler": False,
    "label": "Jobs",
    "ALT_CLUSTERS": {
        "transfer": {"workers": 1, "timeout": 14400, "retry": 14460},
    },
}

TOKEN_LIFETIME_S = env.int("CLOUDPORTAL_TOKEN_LIFETIME_S", 3600)
LOCKOUT_TRIES = env.int("CLOUDPORTAL_LOCKOUT_TRIES", 10)
LOCKOUT_S = env.int("CLOUDPORTAL_LOCKOUT_S", 300)
STATEMENT_DAYS = env.int("CLOUDPORTAL_STATEMENT_DAYS", 400)
CONSOLE_LIFETIME_S = env.int("CLOUDPORTAL_CONSOLE_LIFETIME_S", 600)
MAX_IMAGE_BYTES = env.int("CLOUDPORTAL_MAX_IMAGE_BYTES", 64 * 1024**3)
IMPORT_NETWORKS = address_ranges(
    env.list("CLOUDPORTAL_IMPORT_NETWORKS", default=[]), "CLOUDPORTAL_IMPORT_NETWORKS"
)
IMPORT_TIMEOUT_S = env.float("CLOUDPORTAL_IMPORT_TIMEOUT_S", 3600.0)
SHELVED_OFFLOAD_S = env.int("CLOUDPORTAL_SHELVED_OFFLOAD_S", 0)
RESIZE_CONFIRM_WINDOW_S = env.int("CLOUDPORTAL_RESIZE_CONFIRM_S", 0)
LIVE_MIGRATION_POSTCOPY = env.bool("CLOUDPORTAL_LIVE_MIGRATION_POSTCOPY", False)
LIVE_MIGRATION_POSTCOPY_AFTER_S = env.float("CLOUDPORTAL_LIVE_MIGRATION_POSTCOPY_S", 120.0)
NETWORK_TYPE = network_type(env.str("CLOUDPORTAL_NETWORK_TYPE", "nat"))
VLAN_IDS = vlan_numbers(env.list("CLOUDPORTAL_VLAN_IDS", default=[]))
VXLAN_IDS = vxlan_numbers(env.str("CLOUDPORTAL_VXLAN_IDS", "1:16777215"))
HEARTBEAT_S = env.float("CLOUDPORTAL_HEARTBEAT_S", 10.0)
IMAGE_DIR = Path(env.str("CLOUDPORTAL_IMAGES", str(VAR_DIR / "images"))).resolve()
SSH_DIR = VAR_DIR / "ssh"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "cloudportal.logs.RequestIdFilter"}},
    "formatters": {"line": {"()": "cloudportal.logs.LogfmtFormatter"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["request_id"],
        },
    },
    "root": {"handlers": ["stderr"], "level": env.str("CLOUDPORTAL_LOG_LEVEL", "INFO")},
    "loggers": {"django.request": {"level": "ERROR"}},
}
