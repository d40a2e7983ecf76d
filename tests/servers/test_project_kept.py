"""A project that still has something is not deleted under it."""

import pytest
from django.utils import timezone

from identity.delete import delete_project
from identity.errors import StillInUse
from identity.models import Domain, Project
from servers.create import create_servers
from tests.authorisation import OWN_PROJECT, actor_named

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    Domain.objects.get_or_create(id="default", defaults={"name": "Default"})
    return Project.objects.create(id=OWN_PROJECT, name="kept")


def test_a_project_with_a_server_is_kept(project, wanted):
    create_servers(wanted=wanted(), actor=actor_named("member"), now=timezone.now())

    with pytest.raises(StillInUse, match="1 images, 1 ports, 1 servers"):
        delete_project(project=project, actor=actor_named("admin"), now=timezone.now())

    assert Project.objects.filter(pk=project.pk).exists()


def test_an_empty_project_is_deleted(project):
    delete_project(project=project, actor=actor_named("admin"), now=timezone.now())

    assert not Project.objects.filter(pk=OWN_PROJECT).exists()
