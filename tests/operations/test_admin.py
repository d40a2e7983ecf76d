"""The admin's list of operations: what is owed, to whom, since when; no secrets, few queries."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from hypervisors.models import Hypervisor
from identity.models import Domain, User
from operations.debts import debt_kinds
from operations.kinds import _kinds
from operations.models import Operation, OperationState, StepRecord

pytestmark = pytest.mark.django_db
LIST = "/admin/operations/operation/"
SECRET = "hunter2-in-params"


@pytest.fixture
def domain():
    return Domain.objects.get_or_create(id="default", defaults={"name": "Default"})[0]


@pytest.fixture
def site(client, domain):
    client.force_login(User.objects.create_superuser("root", None))
    return client


@pytest.fixture
def host():
    return Hypervisor.objects.create(name="far-away", uri="qemu+ssh://root@192.0.2.1/system")


def make_debt(host: Hypervisor, **fields) -> Operation:
    server = str(uuid.uuid4())
    operation = Operation.objects.create(
        kind="server.cleanup",
        subject=uuid.uuid4(),
        params={"server": server, "hypervisor": host.pk, "ports": [{"secret": SECRET}]},
        **{"state": OperationState.RUNNING, "attempt": 7, **fields},
    )
    for number in range(3):
        StepRecord.objects.create(
            operation=operation,
            step="remove_guest",
            direction="do",
            started_at=timezone.now(),
            result="Retry",
            message=f"<b>No answer</b> {number}",
        )
    return operation


def test_a_debt_says_which_host_which_server_what_and_why_not_yet(site, host):
    debt = make_debt(host)
    done = make_debt(host, state=OperationState.DONE)

    page = site.get(LIST, {"debts": "unpaid"}).content.decode()

    assert str(debt.pk) in page
    assert str(done.pk) not in page
    assert "far-away" in page
    assert debt.params["server"] in page
    assert "Take a server off the host" in page
    assert "&lt;b&gt;No answer&lt;/b&gt; 2" in page
    assert SECRET not in page


def test_one_operation_is_shown_with_its_steps_and_without_its_params(site, host):
    debt = make_debt(
        host,
        outputs={"collect": SECRET},
        rounds=[{"host": "first", "step": "define_guest", "message": "no room", "more": SECRET}],
        error={"step": "remove_guest", "type": "HostRefused", "message": "refused"},
    )

    page = site.get(f"{LIST}{debt.pk}/change/").content.decode()

    assert "do remove_guest: Retry &lt;b&gt;No answer&lt;/b&gt; 0" in page
    assert "HostRefused" in page
    assert "no room" in page
    assert "far-away" in page
    assert SECRET not in page


def test_other_operations_are_listed_and_filtered_by_kind_and_state(site):
    build = Operation.objects.create(kind="server.build", subject=uuid.uuid4())
    failed = Operation.objects.create(kind="server.delete", subject=uuid.uuid4(), state="failed")

    everything = site.get(LIST).content.decode()
    builds = site.get(LIST, {"kind": "server.build"}).content.decode()
    failures = site.get(LIST, {"state__exact": "failed"}).content.decode()

    assert str(build.subject) in everything
    assert str(failed.subject) in everything
    assert str(failed.subject) not in builds
    assert str(build.subject) not in failures


def test_the_number_of_queries_does_not_grow_with_the_rows(
    site, host, django_assert_max_num_queries
):
    for number in range(60):
        make_debt(host, created_at=timezone.now() - timedelta(minutes=number))

    with django_assert_max_num_queries(14):
        page = site.get(LIST, {"debts": "unpaid"})

    assert page.content.decode().count("Take a server off the host") == 50
    second = site.get(LIST, {"debts": "unpaid", "p": 2}).content.decode()
    assert second.count("Take a server off the host") == 10


def test_nothing_is_added_changed_or_deleted_by_hand(site, host):
    debt = make_debt(host)

    answers = [
        site.get(f"{LIST}add/").status_code,
        site.post(f"{LIST}{debt.pk}/change/", {"state": "done"}).status_code,
        site.post(f"{LIST}{debt.pk}/delete/", {"post": "yes"}).status_code,
    ]

    assert answers == [403, 403, 403]
    assert Operation.objects.get().state == OperationState.RUNNING


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ({}, 302),
        ({"is_superuser": True}, 302),
        ({"is_staff": True}, 403),
        ({"is_staff": True, "may_view": True}, 200),
        ({"is_staff": True, "is_superuser": True}, 200),
        (None, 302),
    ],
    ids=["user", "not in the admin", "staff", "staff who may view", "administrator", "nobody"],
)
def test_who_may_look(client, domain, host, who, status):
    make_debt(host)
    if who is not None:
        fields = dict(who)
        may_view = fields.pop("may_view", False)
        user = User.objects.create_user("someone", None, **fields)
        if may_view:
            user.user_permissions.add(Permission.objects.get(codename="view_operation"))
        client.force_login(user)

    assert client.get(reverse("admin:operations_operation_changelist")).status_code == status


def test_a_deleted_network_that_is_still_on_a_host_is_a_debt(site, host):
    network = str(uuid.uuid4())
    for known in (host.pk, host.pk + 1):
        Operation.objects.create(
            kind="network.remove",
            subject=uuid.uuid4(),
            params={"network": network, "hypervisor": known},
        )

    page = site.get(LIST, {"debts": "unpaid"}).content.decode()

    assert page.count(f"Take the deleted network {network} off the host") == 2
    assert page.count("far-away") == 1


def test_whatever_is_tried_for_ever_is_shown_among_the_debts():
    # What has a host's part to put off leaves it to one of these.
    endless = {
        name for name, kind in _kinds.items() if kind.retries is None and kind.postpone is None
    }

    assert endless
    assert endless == set(debt_kinds())
