"""The integrity page: the headline, findings with their plans, repairs after a look, roles."""

import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from hypervisors.models import Hypervisor
from identity.models import Domain, User
from integrity.models import Finding, Sweep
from integrity.states import FindingKind, Policy, Scope
from operations.models import Operation, Timer
from servers.models import Server

pytestmark = pytest.mark.django_db
PAGE = "/admin/integrity/finding/"
CHECK = f"{PAGE}check/"
REPAIR = f"{PAGE}repair/"


@pytest.fixture
def domain():
    return Domain.objects.get_or_create(id="default", defaults={"name": "Default"})[0]


@pytest.fixture
def site(client, domain):
    client.force_login(User.objects.create_superuser("root", None))
    return client


@pytest.fixture
def host():
    return Hypervisor.objects.create(name="host-a", uri="qemu+ssh://root@192.0.2.1/system")


@pytest.fixture
def checked():
    now = timezone.now()
    return Sweep.objects.create(
        started_at=now - timedelta(seconds=42),
        finished_at=now - timedelta(seconds=41),
        hosts=["host-a", "host-b"],
    )


def make_server(name: str) -> Server:
    return Server.objects.create(
        project_id="p", user_id="u", name=name, hostname=name, flavor={}, reservation_id="r-1"
    )


def make_finding(number: int = 0, **fields) -> Finding:
    return Finding.objects.create(
        **{
            "key": f"stray {number}",
            "scope": Scope.HOST,
            "kind": FindingKind.DHCP_STALE,
            "subject": f"entry {number}",
            "summary": f"A stale entry <{number}>",
            "repair": f"Remove the entry {number}",
            "policy": Policy.AUTOMATIC,
            "plan": {"action": "dhcp.remove", "args": {"mac": "x"}, "is_doubtful": False},
            **fields,
        }
    )


def text_of(answer) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def seals(text: str) -> list[str]:
    return re.findall(r'name="planned" value="([^"]+)"', text)


def test_headline_says_when_all_is_well(site, checked):
    text = text_of(site.get(PAGE))

    assert re.search(r"0 findings, checked 4[1-3] s ago", text)
    assert "All 2 hosts answered." in text
    assert "Repair all" not in text
    assert "None." in text


def test_headline_before_the_first_check_and_when_nobody_checks_any_more(site, checked):
    Sweep.objects.update(finished_at=timezone.now() - timedelta(minutes=5))
    late = text_of(site.get(PAGE))
    Sweep.objects.all().delete()

    assert "does the keeper run?" in late
    assert "Nothing has been checked yet" in text_of(site.get(PAGE))


def test_hosts_that_did_not_answer_are_named(site, checked):
    Sweep.objects.update(unanswered=["host-c", "<host-d>"])

    text = text_of(site.get(PAGE))

    assert "2 hosts did not answer and were left out: host-c, &lt;host-d&gt;." in text


def test_a_finding_is_told_with_host_server_difference_plan_and_policy(site, checked, host):
    server = make_server("<web>")
    make_finding(
        hypervisor=host,
        server_id=server.pk,
        kind=FindingKind.DOMAIN_CHANGED,
        difference="-<vcpu>1</vcpu>\n+<vcpu>4</vcpu>",
        policy=Policy.ON_REQUEST,
        attempts=2,
        error="The host <refused>.",
    )

    text = text_of(site.get(PAGE))

    assert "1 finding, checked" in text
    assert "A stale entry &lt;0&gt;" in text
    assert f'<a href="/admin/hypervisors/hypervisor/{host.pk}/change/">host-a</a>' in text
    assert f'<a href="/admin/servers/server/{server.pk}/change/">&lt;web&gt;</a>' in text
    assert "<details><summary>Difference</summary>" in text
    assert "-&lt;vcpu&gt;1&lt;/vcpu&gt;" in text
    assert "Remove the entry 0" in text
    assert "Tried 2 times: The host &lt;refused&gt;." in text
    assert "on request" in text


def test_one_finding_has_a_page(site, checked, host):
    finding = make_finding(hypervisor=host, server_id=uuid.uuid4(), difference="-<old/>")

    text = text_of(site.get(f"{PAGE}{finding.pk}/change/"))

    assert "-&lt;old/&gt;" in text
    assert str(finding.server_id) in text
    assert "Remove the entry 0" in text


def test_foreign_things_stand_apart_and_debts_beside(site, checked, host):
    make_finding(
        1, policy=Policy.NEVER, summary="A domain <of another>", hypervisor=host, repair=""
    )
    server = str(uuid.uuid4())
    Operation.objects.create(
        kind="server.cleanup",
        subject=uuid.uuid4(),
        state="running",
        params={"server": server, "hypervisor": host.pk, "ports": []},
    )

    text = text_of(site.get(PAGE))
    notes = text_of(site.get(PAGE, {"what": "notes"}))

    assert "0 findings, checked" in text
    assert "Foreign things (1)" in text
    assert "A domain &lt;of another&gt;" in text
    assert "Debts (1)" in text
    assert server in text
    assert "A domain &lt;of another&gt;" in notes


def test_what_was_repaired_is_kept_in_a_list_of_its_own(site, checked):
    make_finding(repaired_at=timezone.now())

    now_open = text_of(site.get(PAGE))
    past = text_of(site.get(PAGE, {"what": "past"}))

    assert "A stale entry" not in now_open
    assert "A stale entry &lt;0&gt;" in past


def test_check_now_brings_the_sweep_forward_and_the_page_waits_for_it(site, checked):
    later = timezone.now() + timedelta(seconds=20)
    Timer.objects.create(name="integrity", due_at=later)

    answer = site.post(CHECK, follow=True)
    waiting = text_of(answer)
    Sweep.objects.create(started_at=timezone.now(), finished_at=timezone.now())
    done = text_of(site.get(PAGE))

    assert Timer.objects.get(name="integrity").due_at <= timezone.now()
    assert "A check is under way" in waiting
    assert 'http-equiv="refresh"' in waiting
    assert "A check is under way" not in done
    assert 'http-equiv="refresh"' not in done


def test_repair_plans_first_and_then_does_what_was_shown(site, checked, host):
    server = make_server("web")
    make_finding(1, hypervisor=host, server_id=server.pk)
    make_finding(2, hypervisor=host, policy=Policy.ON_REQUEST)
    make_finding(3, hypervisor=host, policy=Policy.NEVER)

    plan = text_of(site.post(REPAIR))
    nothing_yet = Operation.objects.count()
    answer = site.post(REPAIR, {"planned": seals(plan)}, follow=True)

    assert nothing_yet == 0
    assert "Remove the entry 1" in plan
    assert "Remove the entry 2" in plan
    assert "Remove the entry 3" not in plan
    assert "1 of these repairs is made on request only" in plan
    assert "2 findings are under repair." in text_of(answer)
    asked = [each["id"] for op in Operation.objects.all() for each in op.params["findings"]]
    assert sorted(asked) == sorted(Finding.objects.open().values_list("pk", flat=True))


def test_only_the_chosen_are_planned(site, checked):
    chosen = make_finding(1)
    make_finding(2)

    plan = text_of(
        site.post(PAGE, {"action": "repair_selected", "_selected_action": [str(chosen.pk)]})
    )

    assert "Remove the entry 1" in plan
    assert "Remove the entry 2" not in plan
    assert len(seals(plan)) == 1


def test_a_plan_that_changed_since_it_was_shown_is_not_carried_out(site, checked):
    changed, gone = make_finding(1), make_finding(2)
    agreed = seals(text_of(site.post(REPAIR)))
    Finding.objects.filter(pk=changed.pk).update(repair="Delete everything")
    Finding.objects.filter(pk=gone.pk).update(repaired_at=timezone.now())

    answer = site.post(REPAIR, {"planned": [*agreed, "x:y", "1"]}, follow=True)

    assert "gone or changed since the plan: not repaired." in text_of(answer)
    assert not Operation.objects.exists()


def test_what_somebody_is_at_is_left_alone_in_words(site, checked):
    server = make_server("web")
    make_finding(server_id=server.pk)
    Operation.objects.create(kind="server.reboot", subject=server.pk)
    agreed = seals(text_of(site.post(REPAIR)))

    answer = site.post(REPAIR, {"planned": agreed}, follow=True)

    assert "something is being done there already" in text_of(answer)
    assert Operation.objects.count() == 1


def test_the_number_of_queries_does_not_grow_with_the_rows(
    site, checked, django_assert_max_num_queries
):
    for number in range(120):
        host = Hypervisor.objects.create(name=f"h{number}", uri=f"qemu+ssh://root@h{number}/system")
        make_finding(number, hypervisor=host, server_id=make_server(f"s{number}").pk)
        make_finding(1000 + number, hypervisor=host, policy=Policy.NEVER)
        Operation.objects.create(
            kind="server.cleanup",
            subject=uuid.uuid4(),
            params={"server": str(uuid.uuid4()), "hypervisor": host.pk, "ports": []},
        )

    with django_assert_max_num_queries(20):
        first = site.get(PAGE)

    text = text_of(first)
    assert text.count('<a class="finding"') == 50
    assert "All 120 foreign things" in text
    assert "All 120 debts" in text
    assert text_of(site.get(PAGE, {"p": 3})).count('<a class="finding"') == 20
    with django_assert_max_num_queries(12):
        plan = text_of(site.post(REPAIR))
    assert len(seals(plan)) == 120


def test_findings_are_neither_added_nor_changed_nor_deleted_by_hand(site, checked):
    finding = make_finding()

    answers = [
        site.get(f"{PAGE}add/").status_code,
        site.post(f"{PAGE}{finding.pk}/change/", {"summary": "x"}).status_code,
        site.post(f"{PAGE}{finding.pk}/delete/", {"post": "yes"}).status_code,
        site.get(CHECK).status_code,
        site.get(REPAIR).status_code,
    ]

    assert answers == [403] * 5


def test_buttons_need_the_form_s_token(domain, checked, client):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("root", None))

    assert strict.post(CHECK).status_code == 403
    assert strict.post(REPAIR).status_code == 403


@pytest.mark.parametrize(
    ("who", "page", "act"),
    [
        (None, 302, 302),
        ({}, 302, 302),
        ({"is_superuser": True}, 302, 302),
        ({"is_staff": True}, 403, 403),
        ({"is_staff": True, "may": ["view_finding"]}, 200, 403),
        ({"is_staff": True, "may": ["view_finding", "change_finding"]}, 200, 302),
        ({"is_staff": True, "is_superuser": True}, 200, 302),
    ],
    ids=["nobody", "user", "not in the admin", "staff", "may view", "may repair", "administrator"],
)
def test_who_may_look_and_who_may_act(client, domain, checked, who, page, act):
    make_finding()
    if who is not None:
        fields = dict(who)
        may = fields.pop("may", [])
        user = User.objects.create_user("someone", None, **fields)
        user.user_permissions.set(Permission.objects.filter(codename__in=may))
        client.force_login(user)

    shown = client.get(PAGE)
    answer = client.post(CHECK)
    asked = client.post(REPAIR, {"planned": ["none"]})

    assert shown.status_code == page
    assert (answer.status_code, asked.status_code) == (act, act)
    is_allowed = act == 302 and page == 200
    assert Timer.objects.filter(name="integrity").exists() == is_allowed
    if page == 200:
        assert ("Check now" in text_of(shown)) == is_allowed
        assert ('value="repair_selected"' in text_of(shown)) == is_allowed
