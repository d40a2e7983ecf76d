"""The WSGI entry of the web process."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cloudportal.settings")

application = get_wsgi_application()

from cloudportal.checks import refuse_unready  # noqa: E402 - needs the apps loaded

refuse_unready()

# What is loaded by now stays. Were it looked through for garbage with every list of a thousand
# servers, that would take as long as the list. Nor does it pay to look through the list itself
# some forty times while it is made: what it is made of goes with the answer, without a search.
gc.collect()
gc.freeze()
gc.set_threshold(50_000)
