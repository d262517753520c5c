"""Django's settings. What differs between installations is read in `env.py`; the rest is fixed here."""

from __future__ import annotations

from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from config import env, logs

ROOT = env.ROOT
MODE = env.mode()
DEMO = MODE == env.DEMO
PRODUCTION = MODE == env.PRODUCTION
DEBUG = MODE == env.LOCAL and env.env.bool("DEBUG", default=False)

# ---- where we are -----------------------------------------------------------------------------
BIND = env.env.str("BIND", default="127.0.0.1:8000")
PUBLIC_URL = (
    env.required(
        "PUBLIC_URL", "Give the address people and mail readers reach, such as https://mail.example.com."
    )
    if PRODUCTION
    else env.env.str("PUBLIC_URL", default=f"http://{BIND}")
).rstrip("/")
# What links in messages begin with, where they have a name of their own.
LINKS_URL = env.env.str("LINKS_URL", default=PUBLIC_URL).rstrip("/")
ALLOWED_HOSTS = env.env.list(
    "ALLOWED_HOSTS",
    default=sorted({urlsplit(one).hostname or "" for one in (PUBLIC_URL, LINKS_URL)})
    if PRODUCTION
    else ["127.0.0.1", "localhost"],
)
VAR = env.var(MODE)
if DEMO:
    env.check_demo(PUBLIC_URL, ALLOWED_HOSTS, BIND)

# ---- secrets ----------------------------------------------------------------------------------
SECRET_KEY = env.secret("SECRET_KEY", MODE, "It signs sessions and links; make 50 random characters.")
SECRET_KEY_FALLBACKS = env.env.list("SECRET_KEY_FALLBACKS", default=[])
SEALING_KEY = env.secret("SEALING_KEY", MODE, "It seals the providers' credentials in the database.")
SEALING_KEY_FALLBACKS = env.env.list("SEALING_KEY_FALLBACKS", default=[])

# ---- the network ------------------------------------------------------------------------------
# Networks of ours that outbound HTTP may reach, such as 127.0.0.0/8; nobody else's address may be private.
OUTBOUND_ALLOWED_NETWORKS = env.outbound_networks(MODE)
# Hosts of the database and the broker to which the way is private, so that it needs no TLS.
PLAINTEXT_HOSTS = env.env.list("PLAINTEXT_HOSTS", default=[])
# Who may read /metrics: whoever has the token, and whoever calls from these addresses. Else nobody.
METRICS_TOKEN = env.env.str("METRICS_TOKEN", default="")
METRICS_NETWORKS = env.networks("METRICS_NETWORKS")

# ---- applications -----------------------------------------------------------------------------
INSTALLED_APPS = [
    "config.apps.WiringConfig",
    "campaigns",
    "audiences",
    "channels",
    "accounts",
    "config.apps.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_celery_beat",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "guardian",
    "pgtrigger",
    "rest_framework",
]
MIDDLEWARE = [
    "config.probes.ProbesMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.private.PrivateAnswersMiddleware",
    "accounts.middleware.IdleMiddleware",
    "accounts.middleware.PreferencesMiddleware",
    "accounts.middleware.TwoStepsMiddleware",
    "accounts.middleware.WorkspaceMiddleware",
    "config.errors.ErrorPagesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "environment": "config.jinja.environment",
            "context_processors": [
                "django.contrib.messages.context_processors.messages",
                "config.jinja.page_context",
            ],
        },
    },
    {
        # The admin site's own templates, and our overrides of them.
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates" / "django"],
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

# ---- data -------------------------------------------------------------------------------------
DATABASES = {"default": env.database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# ---- people -----------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
ANONYMOUS_USER_NAME = None  # guardian would otherwise keep a grantable "anonymous" person
LOGIN_URL = "accounts:sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "accounts:sign_in"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# ---- language and time ------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hant", _("Traditional Chinese"))]
LOCALE_PATHS = [ROOT / "config" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
USE_THOUSAND_SEPARATOR = True
FORMAT_MODULE_PATH = ["config.formats"]

# ---- static files -----------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = ROOT / "staticfiles"
STATICFILES_DIRS = [ROOT / "static"]
MEDIA_ROOT = VAR / "media"  # the asset library; every web process and worker reads it
EVENT_SPOOL = VAR / "events"  # what readers do while the database is away; shared likewise
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not PRODUCTION

# ---- browser safety ---------------------------------------------------------------------------
IS_HTTPS = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_ENGINE = "accounts.sessionstore"
SESSION_COOKIE_NAME = "__Host-session" if IS_HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if IS_HTTPS else "csrf"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_IDLE = env.session_idle()
REQUIRE_TWO_STEPS = env.requires_two_steps()
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_SSL_REDIRECT = IS_HTTPS
# One-click unsubscribe and the open pixel must never be redirected (RFC 8058 section 3.1).
SECURE_REDIRECT_EXEMPT = [r"^[tu]/", r"^hooks/"]
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.env.bool("BEHIND_TLS_PROXY", default=False) else None
)
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "style-src-attr": [
            "'unsafe-inline'"
        ],  # widths of bars; no style element, no style sheet from elsewhere
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "frame-src": [SELF],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000  # the largest audience rule is a form of some thousand inputs
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# ---- mail to our own people (invitations, notices); campaigns use channel configurations --------
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_CONFIG = env.env.email_url(
    "EMAIL_URL", default=f"smtp://127.0.0.1:{env.demo_mail_port()}" if DEMO else "smtp://127.0.0.1:25"
)
EMAIL_HOST = EMAIL_CONFIG["EMAIL_HOST"]
EMAIL_PORT = EMAIL_CONFIG["EMAIL_PORT"]
EMAIL_HOST_USER = EMAIL_CONFIG["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = EMAIL_CONFIG["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = EMAIL_CONFIG.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = EMAIL_CONFIG.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.env.str("DEFAULT_FROM_EMAIL", default="Carillon <carillon@localhost>")

# ---- DNS: who is asked about sending domains; empty: the machine's own servers -------------------
DNS_SERVERS = env.env.list("DNS_SERVERS", default=[])

# ---- the doorbell: Celery carries ids, PostgreSQL holds the work --------------------------------
CELERY_BROKER_URL = env.required(
    "BROKER_URL",
    "Give a Redis, Valkey or RabbitMQ address, or start the command through "
    "`python -m config.embedded run --`, which starts a private Valkey for it.",
)
# Days after its last change at which an archived campaign is purged.
ARCHIVE_DAYS = env.env.int("ARCHIVE_DAYS", default=30)
# How long a worker may be silent before another takes over its batch; it renews four times as often.
LEASE_SECONDS = env.env.int("LEASE_SECONDS", default=60)
# How far workers for campaigns step back where there is not processor time for all, as nice(2) counts it.
BULK_NICENESS = env.env.int("BULK_NICENESS", default=10)
# How many months events about people are kept, beside the present one.
EVENT_RETENTION_MONTHS = env.event_retention_months()
# How many months the messages of a run are kept after its end. Its totals stay.
MESSAGE_RETENTION_MONTHS = env.message_retention_months()
# How long a request waits for what another one holds before it is answered with 503.
WEB_LOCK_SECONDS = env.web_lock_seconds()
FAILPOINT = env.failpoint(MODE)
QUEUE_PREFIX = env.env.str("QUEUE_PREFIX", default="carillon")

# ---- API --------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.CredentialAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["common.api.SafeJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.api.NestedJSONParser"],
    "EXCEPTION_HANDLER": "config.api.problem_response",
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_PAGINATION_CLASS": "common.api.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "config.schema.Schema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Carillon",
    "DESCRIPTION": "People, consent, audiences and messages. Errors are application/problem+json (RFC 9457).",
    "VERSION": "1",
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SERVE_INCLUDE_SCHEMA": False,
    "OAS_VERSION": "3.1.0",
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVERS": [],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.schema.add_problems",
        "config.examples.add_examples",
    ],
    "ENUM_NAME_OVERRIDES": {
        "AttributeType": "audiences.models.AttributeDefinition.Type",
        "AudienceKind": "audiences.models.Audience.Kind",
        "ConfigurationKind": "channels.models.Setup.Kind",
        "ConfigurationStatus": "channels.models.ChannelConfiguration.Status",
        "AttributeIndex": "audiences.models.AttributeDefinition.Index",
        "CampaignType": "campaigns.models.Campaign.Type",
        "CampaignShareLevel": ["view", "edit", "publish", "approve", "all"],
        "CampaignStatus": "campaigns.models.Status",
        "FragmentKind": "campaigns.models.Fragment.Kind",
        "FindingLevel": "campaigns.validation.LEVELS",
        "RunKind": "campaigns.models.Run.Kind",
        "RunState": "campaigns.models.Run.State",
        "ChannelEnum": "channels.contents.SHAPES",
        "SimulatedChannel": "campaigns.api.simulation_shapes.CHANNELS",
        "ProofStatus": "campaigns.api.simulation_shapes.STATUSES",
        "ConsentState": "audiences.models.ConsentState",
        "MailFileState": "channels.models.MailFile.State",
        "RuleKind": "channels.models.Rule.Kind",
        "RuleState": "channels.models.RuleState",
        "ShareLevel": ["view", "manage"],
        "SuppressionKind": "audiences.models.Suppression.Kind",
    },
}

LOGGING = logs.configuration(pretty=not PRODUCTION)
SILENCED_SYSTEM_CHECKS = [
    "auth.E003",  # the address is unique whatever its case, by a constraint on Lower(email)
    "guardian.W001",  # guardian is asked in accounts/access.py only, never through user.has_perm
]
