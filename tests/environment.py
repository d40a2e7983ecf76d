"""Loaded before Django's settings: the tests keep their state in a folder of their own."""

import os
import tempfile
from pathlib import Path

if "CLOUDPORTAL_TEST_VAR" not in os.environ:
    os.environ["CLOUDPORTAL_TEST_VAR"] = tempfile.mkdtemp(prefix="cloudportal-test-")
os.environ["CLOUDPORTAL_VAR"] = os.environ["CLOUDPORTAL_TEST_VAR"]
(Path(os.environ["CLOUDPORTAL_VAR"]) / "secret_key").write_text("a-key-for-tests-only-" + "x" * 40)
