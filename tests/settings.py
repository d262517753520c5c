"""The product's settings, made quick and closed for tests: cheap passwords, mail kept in memory, an
in-process broker. DATABASE_URL still names a real PostgreSQL; flows that need real workers start them.
"""

import os

os.environ.setdefault("CARILLON_MODE", "local")
# The processes of a parallel run inherit what is set below, so the real one keeps a name of its own.
REAL_BROKER_URL = os.environ.setdefault("REAL_BROKER_URL", os.environ.get("BROKER_URL", ""))
os.environ["BROKER_URL"] = "memory://"

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
