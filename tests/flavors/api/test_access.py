import pytest

from identity.models import Domain, Project
from tests.authorisation import ADMINS, OWN_PROJECT, READERS, Endpoint, client_as, matrix
from tests.flavors.factories import make_flavor

pytestmark = pytest.mark.django_db
URL = "/compute/v2.1/flavors"


@pytest.fixture
def project():
    domain = Domain.objects.get_or_create(id="default", defaults={"name": "Default"})[0]
    return Project.objects.create(id=OWN_PROJECT, name="own", domain=domain)


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


def add(flavor, project_id, microversion="2.104"):
    return client_as("admin", microversion).post(
        f"{URL}/{flavor.flavorid}/action", {"addTenantAccess": {"tenant": project_id}}
    )


def remove(flavor, project_id):
    return client_as("admin", "2.104").post(
        f"{URL}/{flavor.flavorid}/action", {"removeTenantAccess": {"tenant": project_id}}
    )


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint(
                "GET",
                URL + "/{flavor}/os-flavor-access",
                200,
                ADMINS,
                # Those it is not shared with do not learn that the flavor exists.
                refused=404,
                exceptions=dict.fromkeys(
                    READERS - ADMINS | {"service", "without role", "owner"}, 403
                ),
            ),
        ]
    ),
)
def test_who_may_see_access(endpoint, who):
    flavor = make_flavor(is_public=False, shared_with=[OWN_PROJECT])

    assert endpoint.status(who, flavor=flavor.flavorid) == endpoint.expected(who)


def test_access_is_given_and_taken(project):
    flavor = make_flavor(flavorid="1", is_public=False)

    given = add(flavor, project.id)
    twice = add(flavor, project.id)
    taken = remove(flavor, project.id)
    again = remove(flavor, project.id)

    assert given.json() == {"flavor_access": [{"flavor_id": "1", "tenant_id": project.id}]}
    assert (twice.status_code, message(twice)) == (
        409,
        f"Flavor access already exists for flavor 1 and project {project.id} combination.",
    )
    assert (taken.status_code, taken.json()) == (200, {"flavor_access": []})
    assert (again.status_code, message(again)) == (
        404,
        f"Flavor access not found for 1 / {project.id} combination.",
    )


@pytest.mark.parametrize(("microversion", "status"), [("2.6", 200), ("2.7", 409)])
def test_a_public_flavor_takes_no_access_since_2_7(project, microversion, status):
    assert add(make_flavor(), project.id, microversion).status_code == status


def test_an_unknown_project_is_refused():
    flavor = make_flavor(is_public=False)

    assert message(add(flavor, "nobody")) == "Project ID nobody is not a valid project."
    assert remove(flavor, "nobody").status_code == 400


def test_a_public_flavor_has_no_access_list():
    flavor = make_flavor()

    answer = client_as("admin").get(f"{URL}/{flavor.flavorid}/os-flavor-access")

    assert (answer.status_code, message(answer)) == (
        404,
        "Access list not available for public flavors.",
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"dance": None}, "There is no such action: dance"),
        ({}, "Malformed request body"),
        ([], "Malformed request body"),
        ({"addTenantAccess": {}}, "'tenant' is a required property"),
        ({"addTenantAccess": {"tenant": "a"}, "removeTenantAccess": {}}, "unexpected"),
    ],
)
def test_other_actions_are_refused(body, expected):
    flavor = make_flavor()

    answer = client_as("admin").post(f"{URL}/{flavor.flavorid}/action", body)

    assert answer.status_code == 400
    assert expected in message(answer)
