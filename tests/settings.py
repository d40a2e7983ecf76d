"""The settings under test: the project's own, with the state in a folder of the tests' own."""

import os
import tempfile
from pathlib import Path

if "CLOUDPORTAL_TEST_VAR" not in os.environ:
    os.environ["CLOUDPORTAL_TEST_VAR"] = tempfile.mkdtemp(prefix="cloudportal-test-")
os.environ["CLOUDPORTAL_VAR"] = os.environ["CLOUDPORTAL_TEST_VAR"]
(Path(os.environ["CLOUDPORTAL_VAR"]) / "static").mkdir(exist_ok=True)
(Path(os.environ["CLOUDPORTAL_VAR"]) / "secret_key").write_text("a-key-for-tests-only-" + "x" * 40)

from cloudportal.settings import *  # noqa: E402, F403 - after the folder is known; all of them

# Cheap hashes: a suite that makes users by the hundred proves nothing by hashing slowly.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A test database need not outlive the machine; it outlives killed processes all the same.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405 - from the project's settings
    DATABASES["default"]["OPTIONS"]["init_command"] += ";PRAGMA synchronous=OFF"  # noqa: F405 - as above

# Each test client loads the middleware: a list of all static files every time is most of its time.
WHITENOISE_AUTOREFRESH = True
