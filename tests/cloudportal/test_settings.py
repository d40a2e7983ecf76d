"""Every setting is documented, in the code and for newcomers."""

import re

from django.conf import settings

from cloudportal.settings import ENVIRONMENT


def test_every_variable_that_is_read_is_documented():
    text = (settings.BASE_DIR / "cloudportal" / "settings.py").read_text()

    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', text))

    assert read == set(ENVIRONMENT)


def test_the_readme_has_every_setting():
    text = (settings.BASE_DIR / "README.md").read_text()

    for name, meaning in ENVIRONMENT.items():
        assert f"| `{name}` | {meaning} |" in text
