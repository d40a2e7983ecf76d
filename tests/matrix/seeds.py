"""Which moments are chosen, from the environment.

`CLOUDPORTAL_TEST_SEED` chooses the moments. `CLOUDPORTAL_TEST_KILLS` says how many kills there are
of each kind of operation; `all` takes every moment.
"""

import os

SEED = os.environ.get("CLOUDPORTAL_TEST_SEED", "1")
_KILLS = os.environ.get("CLOUDPORTAL_TEST_KILLS", "")
ALL = _KILLS == "all"
KILLS = int(_KILLS) if _KILLS.isdecimal() else 0
