"""An answer goes as soon as it has been sent; nobody has to look for garbage."""

import gc
import weakref

import pytest
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from cloudportal.api.openapi import documented, listed
from cloudportal.api.representation import INTEGER
from cloudportal.api.views import ComputeView

# The end of an answer looks after the database's connections, of which an earlier test may have
# left one open.
pytestmark = pytest.mark.django_db


class LongList(ComputeView):
    authentication_classes = []
    permission_classes = []

    @documented("List servers.", responses={200: listed("servers", INTEGER)})
    def get(self, request):
        return Response({"servers": [1] * 10})


@pytest.fixture
def _without_searches():
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_without_searches")
def test_nothing_keeps_an_answer():
    answer = LongList.as_view()(APIRequestFactory().get("/compute/v2.1/servers"))
    answer.render()
    assert answer.content == b'{"servers":[1,1,1,1,1,1,1,1,1,1]}'
    kept = weakref.ref(answer)

    answer.close()
    del answer

    assert kept() is None
