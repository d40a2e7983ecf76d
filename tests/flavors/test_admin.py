import pytest

from flavors.models import Flavor
from identity.models import Domain, Project, User
from tests.flavors.factories import make_flavor

pytestmark = pytest.mark.django_db
URL = "/admin/flavors/flavor/"


@pytest.fixture
def browser(client):
    Domain.objects.get_or_create(id="default", defaults={"name": "Default"})
    client.force_login(User.objects.create_superuser("root", None))
    return client


def form(**fields):
    return {
        "name": "m1",
        "flavorid": "1",
        "vcpus": "1",
        "ram_mib": "64",
        "disk_gib": "1",
        "ephemeral_gib": "0",
        "swap_mib": "0",
        "rxtx_factor": "1",
        "extra_specs": "{}",
        "access-TOTAL_FORMS": "0",
        "access-INITIAL_FORMS": "0",
        **fields,
    }


def test_a_flavor_is_made_and_shared(browser):
    project = Project.objects.create(name="alpha")

    answer = browser.post(
        f"{URL}add/",
        form(
            **{
                "extra_specs": '{"hw:cpu_policy": "shared"}',
                "access-TOTAL_FORMS": "1",
                "access-0-project_id": project.id,
            }
        ),
    )

    assert answer.status_code == 302, answer.content.decode()
    flavor = Flavor.objects.get()
    assert (flavor.flavorid, flavor.extra_specs) == ("1", {"hw:cpu_policy": "shared"})
    assert flavor.access.get().project_id == project.id


@pytest.mark.parametrize(
    "specs", ['{"hw:cpu_policy": "nonsense"}', '{"hw:no_such": "1"}', "[1]", "{"]
)
def test_specs_that_mean_nothing_are_refused(browser, specs):
    answer = browser.post(f"{URL}add/", form(extra_specs=specs))

    assert answer.status_code == 200
    assert not Flavor.objects.exists()


def test_a_size_never_changes(browser):
    flavor = make_flavor(vcpus=1)

    browser.post(f"{URL}{flavor.pk}/change/", form(vcpus="9", description="now described"))

    flavor.refresh_from_db()
    assert (flavor.vcpus, flavor.description) == (1, "now described")


def test_the_list_opens(browser):
    make_flavor()

    assert browser.get(URL).status_code == 200
