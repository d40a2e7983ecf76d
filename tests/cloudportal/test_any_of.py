"""The lookup for one of many values finds what `in` finds, on each database."""

import pytest

from cloudportal import any_of as any_of  # the lookup
from servers.models import ServerGroup

pytestmark = pytest.mark.django_db


@pytest.fixture
def groups():
    return [
        ServerGroup.objects.create(project_id="p", user_id="u", name=name, policy="affinity")
        for name in ("it's", "größe", '"', "a\\", "{b,NULL}")
    ]


def test_texts_are_found(groups):
    found = ServerGroup.objects.filter(name__any_of=["größe", '"', "it's", "a\\", "{b,NULL}", "b"])

    assert set(found) == set(groups)
    assert found.filter(name__any_of=["it's"]).get() == groups[0]


def test_identifiers_are_found(groups):
    assert set(ServerGroup.objects.filter(pk__any_of=[each.pk for each in groups[1:]])) == set(
        groups[1:]
    )


def test_nothing_is_one_of_none(groups):
    assert not ServerGroup.objects.filter(name__any_of=[]).exists()
    assert not ServerGroup.objects.filter(pk__any_of=[]).exists()
