"""The matrix holds every kind of operation there is."""

from operations import kinds
from tests.matrix.cases import CASES


def test_every_kind_is_in_the_matrix():
    registered = {name for name in kinds._kinds if not name.startswith("test.")}

    assert registered == {case.kind for case in CASES}, (
        "describe the new kind in tests/matrix/cases.py"
    )
