"""Which moments are chosen, from the environment.

`CLOUDPORTAL_TEST_SEED` chooses the moments, `CLOUDPORTAL_TEST_KILLS=all` takes them all.
"""

import os

SEED = os.environ.get("CLOUDPORTAL_TEST_SEED", "1")
ALL = os.environ.get("CLOUDPORTAL_TEST_KILLS") == "all"
