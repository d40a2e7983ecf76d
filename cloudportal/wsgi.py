"""The WSGI entry of the web process."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cloudportal.settings")

application = get_wsgi_application()

from cloudportal.checks import refuse_unready  # noqa: E402 - needs the apps loaded

refuse_unready()

# What is loaded by now stays. Were it looked through for garbage with every list of a thousand
# servers, that would take as long as the list.
gc.collect()
gc.freeze()
