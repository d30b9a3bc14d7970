"""Settings: one file, everything that differs between installations by environment (secrets also as ``NAME_FILE``)."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from kombu.entity import Queue

from apps.core.edge import rates
from orchestrator import embedded, places
from orchestrator.description import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS
from orchestrator.environment import Environment
from orchestrator.look import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

# Where the embedded default keeps its database, files and logs.
DATA_DIR = embedded.default_data_dir()
IS_EMBEDDED = not embedded.is_given("DATABASE_URL")

DEBUG = env.bool("DEBUG", default=False)
TESTING = "PYTEST_VERSION" in os.environ

# ------------------------------------------------------------------------------------------------ secrets and hosts
KNOWN_DEFAULT_KEYS = {"changeme", "change-me", "secret", "insecure", "your-secret-key"}


def _secret_key() -> str:
    if IS_EMBEDDED or TESTING:
        return str(env.str("SECRET_KEY", default="")) or embedded.secret_key(DATA_DIR)
    return _strong("SECRET_KEY", env.str("SECRET_KEY"))


def _strong(name: str, key: str) -> str:
    """Refuse a key that others know or could guess."""
    if key.lower() in KNOWN_DEFAULT_KEYS or key.startswith("django-insecure-"):
        problem = "is a default that everybody knows"
    elif len(key) < 32 or len(set(key)) < 8:
        problem = "is too short, or too much the same"
    else:
        return key
    raise ImproperlyConfigured(f"{name} {problem}. Set {name} (or {name}_FILE) to 50 or more random characters.")


SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = [_strong("SECRET_KEY_FALLBACKS", key) for key in env.list("SECRET_KEY_FALLBACKS", default=[])]
# Keys the hashes of tokens; separate, so that the secret key can be rotated without ending every credential.
_pepper = env.str("TOKEN_PEPPER", default="")
TOKEN_PEPPER = _strong("TOKEN_PEPPER", _pepper) if _pepper else SECRET_KEY
TOKEN_PEPPER_FALLBACKS = [
    _strong("TOKEN_PEPPER_FALLBACKS", pepper) for pepper in env.list("TOKEN_PEPPER_FALLBACKS", default=[])
]


def _master_keys() -> list[str]:
    """Return the keys that wrap those of tenants, the current one first."""
    if (IS_EMBEDDED or TESTING) and not embedded.is_given("MASTER_KEYS"):
        return [f"embedded:{embedded.master_key(DATA_DIR)}"]
    return list(env.list("MASTER_KEYS"))


MASTER_KEYS = _master_keys()
MASTER_KEY_PROVIDER = env.str("MASTER_KEY_PROVIDER", default="apps.encryption.rules.masters.LocalMasterKeys")
#: The module whose ``sign`` signs the seals of the audit trail.
AUDIT_SIGNER = "apps.encryption.services.signing"
#: A file to which the signed heads of the trail are appended, best on another machine's disk; empty: none.
AUDIT_HEADS_FILE = env.str("AUDIT_HEADS_FILE", default="")

ALLOWED_HOSTS = env.hosts(
    "ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if IS_EMBEDDED or TESTING else []
)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", default=[], but_not_all=True)
# The edge takes the header away unless one of these wrote it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Pages of others whose scripts may call the API: with tokens alone, never in the name of who is signed in.
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS", default=[])
CORS_ALLOW_CREDENTIALS = False
CORS_URLS_REGEX = r"^/(?:api/|(?!admin/)(?:[^/]+/)+orchestrator_/)"
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-api-key",
    "x-content-sha256", "x-folder-id", "x-request-id", "x-tenant",
]  # fmt: skip
CORS_EXPOSE_HEADERS = ["content-disposition", "etag", "location", "retry-after", "x-content-sha256", "x-request-id"]

# Whom to tell of a weakness, for /.well-known/security.txt: mailto:… or https://…
SECURITY_CONTACT = env.contact("SECURITY_CONTACT")
# Networks inside that may be called at addresses people give, and who vouches for hosts (see `apps.core.outgoing`).
OUTGOING_ALLOWED = env.networks("OUTGOING_ALLOWED", default=[])
OUTGOING_CA_FILE = env.str("OUTGOING_CA_FILE", default="")

# ------------------------------------------------------------------------------------------------------------- apps
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # leaves the choice of the admin's site to the line of the admin below
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "unfold.contrib.guardian",
    "apps.console.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "guardian",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_celery_beat",
    "corsheaders",
    "orchestrator",
    "apps.core",
    "apps.requests",
    "apps.audit",
    "apps.events",
    "apps.rbac",
    "apps.encryption",
    "apps.tenancy",
    "apps.configuration",
    "apps.mail",
    "apps.accounts",
    "apps.packages",
    "apps.robots",
    "apps.processes",
    "apps.assets",
    "apps.queues",
    "apps.jobs",
    "apps.triggers",
    "apps.retention",
    "apps.runner",
    "apps.console",
]

MIDDLEWARE = [
    "apps.core.edge.middleware.RequestEdge",
    "apps.core.edge.middleware.ProblemsOnly",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "apps.core.edge.policy.BrowserPolicy",
    "corsheaders.middleware.CorsMiddleware",
    "apps.core.edge.static.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "apps.core.edge.middleware.CleanInput",
    "apps.console.views.refusals.RecordRefusals",
    "apps.console.views.page_bodies.PageBodies",
    "django.middleware.csrf.CsrfViewMiddleware",
    "apps.accounts.authentication.PeopleAtSessions",
    "apps.core.edge.limiting.LimitCalls",
    "django.contrib.messages.middleware.MessageMiddleware",
    "apps.console.views.local_time.LocalTime",
]

ROOT_URLCONF = "orchestrator.urls"
WSGI_APPLICATION = "orchestrator.wsgi.application"
ASGI_APPLICATION = "orchestrator.asgi.application"
APPEND_SLASH = False  # Existing clients follow no redirects; the admin's own pages handle their slash themselves.

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
            ]
        },
    }
]

# --------------------------------------------------------------------------------------------------------- database
DATABASES = {"default": env.db_url("DATABASE_URL", default=embedded.urls(DATA_DIR).database)}
if DATABASES["default"].get("ENGINE") != "django.db.backends.postgresql":
    raise ImproperlyConfigured(
        "DATABASE_URL must name a PostgreSQL server (postgresql://…): there is no other database."
    )

# What a statement may take in each kind of process; the command that starts a process says which kind it is.
ROLE = env.str("BV_ROLE", default="command")
_PATIENT = "-c statement_timeout=5min -c idle_in_transaction_session_timeout=5min"
_TIMEOUTS = {
    "web": "-c lock_timeout=2s -c statement_timeout=5s -c idle_in_transaction_session_timeout=10s"
    # For the statements that are prepared (apps.core.statements): they find rows by key, so one plan serves them all,
    # while planning the claim anew takes longer than running it.
    " -c plan_cache_mode=force_generic_plan",
    "worker": _PATIENT,
    "beat": _PATIENT,
}
_options = DATABASES["default"].setdefault("OPTIONS", {})
_options["options"] = " ".join(filter(None, (_TIMEOUTS.get(ROLE), _options.get("options"))))
if ROLE == "web":
    _options["pool"] = {
        "min_size": env.int("DB_POOL_MIN", default=2),
        "max_size": env.int("DB_POOL_MAX", default=16),
        "timeout": env.float("DB_POOL_TIMEOUT", default=2.0),
    }
    if not 0 <= _options["pool"]["min_size"] <= _options["pool"]["max_size"] != 0:
        raise ImproperlyConfigured("DB_POOL_MAX must be at least 1, and no less than DB_POOL_MIN.")
DATABASES["default"]["TEST"] = {"NAME": env.str("TEST_DATABASE_NAME", default="") or None}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MIGRATION_MODULES: dict[str, str] = {}

# ----------------------------------------------------------------------------------------------------- broker, cache
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=embedded.urls(DATA_DIR).broker)
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, float] = {
    "visibility_timeout": 3600,  # Longer than every task may run: until then its message is nobody else's.
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
}
if ROLE == "web":  # Requests wake somebody at most; none is worth waiting for a broker that is away.
    CELERY_BROKER_TRANSPORT_OPTIONS |= {
        "socket_timeout": 1,
        "socket_connect_timeout": 1,
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
    }
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # A worker waits for its broker however long that is away.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # What one worker has taken, and not begun, another cannot take.
CELERY_TIMEZONE = "UTC"
CELERY_RESULT_EXPIRES = None  # There are no results, so none to tidy up.
SWEEP_EVERY = max(1, env.int("SWEEP_EVERY", default=5))
_TICKS = places.ticks(sweep_every=SWEEP_EVERY)
QUEUES = tuple(_TICKS)
_PLACES = {task: queue for queue, tasks in _TICKS.items() for task in tasks} | {places.TICK: "default"}
CELERY_TASK_QUEUES = [Queue(name, routing_key=name) for name in QUEUES]  # type: ignore[no-untyped-call]
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {task: {"queue": queue} for task, queue in _PLACES.items()}
CELERY_TASK_ANNOTATIONS = {task: {"time_limit": places.TIME_LIMITS[queue]} for task, queue in _PLACES.items()}
CELERY_BEAT_SCHEDULE = places.schedule(_TICKS)
CELERY_BEAT_SCHEDULER = "orchestrator.schedule:Scheduler"
DJANGO_CELERY_BEAT_TZ_AWARE = True

# Calls are counted beside the broker's messages, under names of their own.
RATE_LIMITS = env.rate_limits("RATE_LIMITS", default="off" if TESTING else "")
RATE_LIMIT_STORE = env.str("RATE_LIMIT_STORE", default=rates.store_beside(CELERY_BROKER_URL))
RATE_LIMIT_PREFIX = "bv:calls"

# ----------------------------------------------------------------------------------------------------- people, access
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["apps.accounts.authentication.Passwords", "apps.rbac.authentication.RoleBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},  # of twenty thousand
    {"NAME": "apps.accounts.rules.passwords.LongEnoughForAdministrators"},
    {"NAME": "apps.accounts.rules.passwords.NotMadeOfTheirNames"},
]
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # the proxy that ends TLS leads on to it
    "security.W021",  # whether to be on the browsers' list is for who owns the domain to say
    "guardian.W001",  # our own backend answers from guardian's rows as well
    "auth.W004",  # user names are unique whatever their case, by a constraint over lower()
]
GUARDIAN_MONKEY_PATCH_USER = False
ANONYMOUS_USER_NAME = None
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
# The setting `security.session_hours` ends a session sooner, and so does whoever leaves it alone for so long.
SESSION_COOKIE_AGE = 7 * 24 * 60 * 60
SESSION_IDLE_MINUTES = max(1, env.int("SESSION_IDLE_MINUTES", default=30))
SESSION_COOKIE_HTTPONLY = True
IS_HTTPS = env.bool("HTTPS", default=False)
if IS_HTTPS and DEBUG:
    raise ImproperlyConfigured("DEBUG shows internals to everybody, and HTTPS says that others come here. Unset DEBUG.")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
# Browsers take a cookie of such a name from this very host alone, over TLS, for all of its paths.
SESSION_COOKIE_NAME = "__Host-bv_session" if IS_HTTPS else "bv_session"
CSRF_COOKIE_NAME = "__Host-bv_csrf" if IS_HTTPS else "bv_csrf"
# Lax and not Strict: links in mails, and the way back from a sign-in elsewhere, come from other sites.
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True  # Scripts find the token in their page.
SECURE_SSL_REDIRECT = False  # Nothing of ours listens to the world: who asks without TLS is for the proxy to lead on.
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
        "frame-ancestors": ["'none'"],
        "report-uri": ["/csp-reports"],
    }
}

# --------------------------------------------------------------------------------------------- language, time, files
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
STATIC_URL = "/static/"
# Where `collectstatic` has put hashed and compressed files; without it they are served as they lie in the packages.
STATIC_ROOT = None if TESTING or not embedded.is_given("STATIC_ROOT") else Path(env.str("STATIC_ROOT"))
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = Path(env.str("FILES_DIR", default=str(DATA_DIR / "files")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "packages": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": MEDIA_ROOT / "packages",
            "base_url": None,
            # What people automate is nobody else's business on the machine.
            "file_permissions_mode": 0o640,
            "directory_permissions_mode": 0o750,
        },
    },
    "artefacts": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": MEDIA_ROOT / "artefacts",
            "base_url": None,
            "file_permissions_mode": 0o640,
            "directory_permissions_mode": 0o750,
        },
    },
    "files": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": MEDIA_ROOT / "stored",
            "base_url": None,
            "file_permissions_mode": 0o640,
            "directory_permissions_mode": 0o750,
        },
    },
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = TESTING  # Otherwise each client of a test looks through all files first.
WHITENOISE_ALLOW_ALL_ORIGINS = False
if STATIC_ROOT is None:
    STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]

# -------------------------------------------------------------------------------------------------------------- REST
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.accounts.authentication.SessionTokenAuthentication",
        "apps.accounts.authentication.ApiTokenAuthentication",
        "apps.accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.core.api.callers.SignedIn"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.core.api.parsers.StrictJsonParser"],
    "DEFAULT_PAGINATION_CLASS": "apps.core.api.pagination.NewestFirst",
    "DEFAULT_FILTER_BACKENDS": ["apps.core.api.filters.ApiFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "apps.core.api.schema.ApiSchema",
    "EXCEPTION_HANDLER": "apps.core.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

# ------------------------------------------------------------------------------------------------- the edge of the API
# Who keeps the answers given under idempotency keys: core may not know the app that does.
API_ANSWER_ONCE = "apps.requests.views.answer_once"
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
METRICS_ALLOWED_NETWORKS = env.networks("METRICS_ALLOWED_NETWORKS", default=["127.0.0.0/8", "::1/128"])
# By host, because processes are told apart by their ids; the library takes the place from the environment, at import.
METRICS_DIR = Path(env.str("METRICS_DIR", default=str(DATA_DIR / "metrics" / socket.gethostname())))
if TESTING:
    METRICS_DIR = METRICS_DIR / "tests"
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(METRICS_DIR)

# ------------------------------------------------------------------------------------------------------------ robots
# Durations in seconds; a process may set its own where its page says so.
LEASE_TTL = env.int("LEASE_TTL", default=90)
RENEW_EVERY = env.int("RENEW_EVERY", default=15)
TICK_EVERY = env.float("TICK_EVERY", default=2.0)
OUTAGE_AFTER = env.float("OUTAGE_AFTER", default=15.0)
KILL_GRACE = env.int("KILL_GRACE", default=30)
SYNC_MIN = env.float("SYNC_MIN", default=2.0)
SYNC_MAX = env.float("SYNC_MAX", default=10.0)
SYNC_WITH_WAIT = env.float("SYNC_WITH_WAIT", default=30.0)
WAIT_MAX = env.int("WAIT_MAX", default=50)
SESSION_SILENCE = env.int("SESSION_SILENCE", default=30)
OFFLINE_AFTER = env.int("OFFLINE_AFTER", default=90)
#: Days that a robot's token works before the robot must have rotated it. None: those from a key as long as the key.
ROBOT_TOKEN_DAYS = env.days("ROBOT_TOKEN_DAYS")
LIVE_URL: str | None = env.str("LIVE_URL", default="") or None
LOG_EVERY = env.float("LOG_EVERY", default=3.0)
LOG_CHUNK_BYTES = env.int("LOG_CHUNK_BYTES", default=256 * 1024)
LOG_LIMIT_BYTES = env.int("LOG_LIMIT_BYTES", default=100 * 1024 * 1024)
RESULT_LIMIT_BYTES = env.int("RESULT_LIMIT_BYTES", default=1024 * 1024)
# Of the files that jobs leave: the bytes of one; the bytes and the number of those of one execution.
ARTEFACT_LIMIT_BYTES = env.int("ARTEFACT_LIMIT_BYTES", default=100 * 1024 * 1024)
ARTEFACTS_LIMIT_BYTES = env.int("ARTEFACTS_LIMIT_BYTES", default=1024 * 1024 * 1024)
ARTEFACTS_MOST = env.int("ARTEFACTS_MOST", default=100)
# Of the files of one item, and of those of one store: bytes of one, number, bytes of all.
ITEM_FILE_LIMIT_BYTES = env.int("ITEM_FILE_LIMIT_BYTES", default=100 * 1024 * 1024)
ITEM_FILES_MOST = env.int("ITEM_FILES_MOST", default=100)
ITEM_FILES_LIMIT_BYTES = env.int("ITEM_FILES_LIMIT_BYTES", default=1024 * 1024 * 1024)
STORED_FILE_LIMIT_BYTES = env.int("STORED_FILE_LIMIT_BYTES", default=100 * 1024 * 1024)
STORE_FILES_MOST = env.int("STORE_FILES_MOST", default=10_000)
STORE_LIMIT_BYTES = env.int("STORE_LIMIT_BYTES", default=10 * 1024**3)
# Of all files that are kept: so much of their disk is left to others.
FILES_DISK_RESERVE_BYTES = env.int("FILES_DISK_RESERVE_BYTES", default=1024**3)
SPANS_LIMIT_BYTES = env.int("SPANS_LIMIT_BYTES", default=64 * 1024 * 1024)
# How many jobs one job may start, and how many there may be of a first job and all that are below it.
JOB_CHILDREN_MOST = env.int("JOB_CHILDREN_MOST", default=1000)
JOB_TREE_MOST = env.int("JOB_TREE_MOST", default=10_000)

# The words of `apps.core.logs`, which is not imported here: it takes half a second, and not every process logs.
LOG_LEVEL = env.choice("LOG_LEVEL", among=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), default="INFO")
LOG_FORMAT = env.choice("LOG_FORMAT", among=("json", "console"), default="console" if sys.stderr.isatty() else "json")
LOGGING_CONFIG = "apps.core.logs.configure_from"
LOGGING = {"level": LOG_LEVEL, "format": LOG_FORMAT}
