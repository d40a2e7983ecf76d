"""`/os-server-groups` at each microversion, and groups on servers."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from quotas.consume import usage
from quotas.models import QuotaLimit
from servers.models import Server, ServerGroup
from tests.authorisation import (
    FOREIGN_PROJECT,
    MEMBERS,
    OWN_PROJECT,
    OWNER,
    READERS,
    STRANGER,
    Endpoint,
    client_as,
    matrix,
)

pytestmark = pytest.mark.django_db
URL = "/compute/v2.1/os-server-groups"
NOBODY = str(uuid.UUID(int=7))
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def make(name="web", policy="anti-affinity", project_id=OWN_PROJECT, **fields):
    return ServerGroup.objects.create(
        name=name, policy=policy, project_id=project_id, user_id=OWNER, **fields
    )


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


def created(version, group, who="member"):
    return client_as(who, version).post(URL, {"server_group": group})


BEFORE_2_64 = {"name": "web", "policies": ["affinity"], "members": [], "metadata": {}}
OWNED = {"project_id": OWN_PROJECT, "user_id": STRANGER}


@pytest.mark.parametrize(
    ("version", "sent", "shown"),
    [
        ("2.1", {"name": "web", "policies": ["affinity"]}, BEFORE_2_64),
        ("2.12", {"name": "web", "policies": ["affinity"]}, BEFORE_2_64),
        ("2.13", {"name": "web", "policies": ["affinity"]}, {**BEFORE_2_64, **OWNED}),
        (
            "2.15",
            {"name": "web", "policies": ["soft-anti-affinity"]},
            {**BEFORE_2_64, **OWNED, "policies": ["soft-anti-affinity"]},
        ),
        (
            "2.63",
            {"name": "web", "policies": ["soft-affinity"]},
            {**BEFORE_2_64, **OWNED, "policies": ["soft-affinity"]},
        ),
        (
            "2.64",
            {"name": "web", "policy": "soft-affinity"},
            {"name": "web", "policy": "soft-affinity", "rules": {}, "members": [], **OWNED},
        ),
        (
            "2.104",
            {"name": "web", "policy": "anti-affinity", "rules": {"max_server_per_host": "3"}},
            {
                **{"name": "web", "policy": "anti-affinity", "members": [], **OWNED},
                "rules": {"max_server_per_host": 3},
            },
        ),
    ],
)
def test_a_group_is_made_and_shown_alike(version, sent, shown):
    answer = created(version, sent)

    [group] = ServerGroup.objects.all()
    whole = {"server_group": {"id": str(group.pk), **shown}}
    assert (answer.status_code, answer.json()) == (200, whole)
    client = client_as("reader", version)
    assert client.get(f"{URL}/{group.pk}").json() == whole
    assert client.get(URL).json() == {"server_groups": [whole["server_group"]]}


@pytest.mark.parametrize(
    ("version", "sent", "words"),
    [
        ("2.14", {"name": "a", "policies": ["soft-affinity"]}, "soft-affinity"),
        ("2.1", {"name": "a", "policies": []}, "[]"),
        ("2.1", {"name": "a", "policies": ["affinity", "anti-affinity"]}, "too long"),
        ("2.1", {"name": "a", "policies": ["legacy"]}, "legacy"),
        ("2.1", {"name": "a"}, "'policies' is a required property"),
        ("2.1", {"name": " a", "policies": ["affinity"]}, "whitespace"),
        ("2.1", {"name": "a", "policies": ["affinity"], "metadata": {}}, "'metadata' was unexpec"),
        ("2.63", {"name": "a", "policy": "affinity"}, "policy"),
        ("2.64", {"name": "a", "policies": ["affinity"]}, "policies"),
        ("2.64", {"name": "a"}, "'policy' is a required property"),
        (
            "2.64",
            {"name": "a", "policy": "affinity", "rules": {"max_server_per_host": 2}},
            "Only anti-affinity policy supports rules.",
        ),
        (
            "2.64",
            {"name": "a", "policy": "anti-affinity", "rules": {"max_server_per_host": 0}},
            "max_server_per_host",
        ),
        ("2.64", {"name": "a", "policy": "anti-affinity", "rules": {"max": 1}}, "unexpected"),
    ],
)
def test_a_group_that_cannot_be_is_refused_with_the_reason(version, sent, words):
    answer = created(version, sent)

    assert answer.status_code == 400
    assert words in message(answer)
    assert not ServerGroup.objects.exists()


def test_the_quota_of_groups_is_kept_and_given_back():
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="server_groups", limit=1)
    sent = {"name": "web", "policies": ["affinity"]}
    first = created("2.1", sent).json()["server_group"]["id"]

    refused = created("2.1", sent)

    assert refused.status_code == 403
    assert message(refused) == "Quota exceeded, too many server groups."
    assert client_as("member").delete(f"{URL}/{first}").status_code == 204
    assert usage(OWN_PROJECT)["server_groups"] == 0
    assert created("2.1", sent).status_code == 200


FOREIGN = dict.fromkeys(("foreign reader", "foreign member", "foreign manager", "unscoped"), 404)
LISTERS = READERS | {"foreign reader", "foreign member", "foreign manager"}
CREATORS = MEMBERS | {"foreign member", "foreign manager"}


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint("GET", URL, 200, LISTERS),
            Endpoint("GET", f"{URL}?all_projects=1", 200, LISTERS),
            Endpoint("GET", f"{URL}/{{group}}", 200, READERS, exceptions=FOREIGN),
            Endpoint("DELETE", f"{URL}/{{group}}", 204, MEMBERS, exceptions=FOREIGN),
            Endpoint(
                "POST", URL, 200, CREATORS, {"server_group": {"name": "a", "policy": "affinity"}}
            ),
        ]
    ),
)
def test_who_may_do_what(endpoint, who):
    assert endpoint.status(who, group=make().pk) == endpoint.expected(who)


def names(who, query="", version="2.1"):
    answer = client_as(who, version).get(URL + query)
    assert answer.status_code == 200, answer.content
    return [group["name"] for group in answer.json()["server_groups"]]


def test_only_administrators_see_the_groups_of_all_projects():
    make("own")
    make("foreign", project_id=FOREIGN_PROJECT)

    assert names("admin") == names("reader", "?all_projects=1") == ["own"]
    assert set(names("admin", "?all_projects")) == {"own", "foreign"}


def test_the_list_is_cut_by_limit_and_offset_oldest_first():
    for number in range(4):
        make(str(number), created_at=NOW + timedelta(seconds=number))

    assert names("reader", "?limit=2") == ["0", "1"]
    assert names("reader", "?limit=2&offset=3") == ["3"]
    assert names("reader", "?limit=0&offset=1") == ["1", "2", "3"]
    assert names("reader", f"?offset={10**30}") == []


@pytest.mark.parametrize("query", ["?limit=-1", "?offset=-1", "?limit=x", "?offset=1.5"])
def test_a_limit_that_is_no_number_is_refused(query):
    assert client_as("reader").get(URL + query).status_code == 400


def test_unknown_parameters_are_ignored_until_2_74_in_the_list_and_2_101_in_one():
    one = f"{URL}/{make().pk}"

    assert names("reader", "?nonsense=1", "2.74") == ["web"]
    assert client_as("reader", "2.75").get(f"{URL}?nonsense=1").status_code == 400
    assert client_as("reader", "2.101").get(f"{one}?nonsense=1").status_code == 200
    assert client_as("reader", "2.102").get(f"{one}?nonsense=1").status_code == 400


@pytest.mark.parametrize("identifier", [NOBODY, "nonsense"])
def test_a_group_that_is_not_there_is_not_found(identifier):
    for call in (client_as("member").get, client_as("member").delete):
        answer = call(f"{URL}/{identifier}")
        assert answer.status_code == 404
        assert message(answer) == f"Instance group {identifier} could not be found."


def hinted(body, group, **changes):
    return {**body(**changes), "os:scheduler_hints": {"group": group}}


def test_a_server_made_with_the_hint_is_a_member_and_says_so(post, body):
    group = str(make().pk)

    server = post(hinted(body, group)).json()["server"]["id"]

    shown = client_as("member", "2.71").get(f"/compute/v2.1/servers/{server}").json()["server"]
    assert shown["server_groups"] == [group]
    assert client_as("reader").get(f"{URL}/{group}").json()["server_group"]["members"] == [server]


def test_server_groups_are_in_show_and_update_since_2_71_and_never_in_the_list(post, body):
    group = str(make().pk)
    server = post(hinted(body, group)).json()["server"]["id"]
    path = f"/compute/v2.1/servers/{server}"

    before, since = client_as("member", "2.70"), client_as("member", "2.71")

    assert "server_groups" not in before.get(path).json()["server"]
    update = {"server": {"name": "new"}}
    assert since.put(path, update).json()["server"]["server_groups"] == [group]
    assert "server_groups" not in before.put(path, update).json()["server"]
    [listed] = since.get("/compute/v2.1/servers/detail").json()["servers"]
    assert "server_groups" not in listed


def test_members_are_the_servers_that_are_not_deleted(post, body):
    group = make()
    post(hinted(body, str(group.pk), min_count=2))
    gone, there = Server.objects.all()
    Server.objects.filter(pk=gone.pk).update(deleted_at=NOW)

    [shown] = client_as("reader").get(URL).json()["server_groups"]

    assert shown["members"] == [str(there.pk)]


def test_servers_outlive_their_group(post, body):
    group = str(make().pk)
    server = post(hinted(body, group)).json()["server"]["id"]

    client_as("member").delete(f"{URL}/{group}")

    shown = client_as("member", "2.100").get(f"/compute/v2.1/servers/{server}").json()["server"]
    assert shown["server_groups"] == []
    assert shown["scheduler_hints"] == {"group": group}


@pytest.mark.parametrize("project_id", [FOREIGN_PROJECT, None])
@pytest.mark.parametrize("who", ["member", "admin"])
def test_a_group_that_is_not_the_projects_is_refused(post, body, who, project_id):
    group = str(make(project_id=project_id).pk) if project_id else NOBODY

    answer = post(hinted(body, group), who=who)

    assert answer.status_code == 400
    assert group in message(answer)
    assert not Server.objects.exists()


def test_one_group_in_a_list_is_that_group_and_two_are_refused(post, body):
    one, two = str(make().pk), str(make().pk)

    assert post(hinted(body, [one])).status_code == 202
    assert str(Server.objects.get().group_id) == one
    answer = post(hinted(body, [one, two]))
    assert answer.status_code == 400
    assert message(answer) == "A server can be in one server group only."


def test_a_user_puts_no_more_servers_into_a_group_than_the_limit(post, body):
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="server_group_members", limit=2)
    group = str(make().pk)
    assert post(hinted(body, group)).status_code == 202

    refused = post(hinted(body, group, min_count=2))

    assert refused.status_code == 403
    assert message(refused) == "Quota exceeded, too many servers in group"
    assert Server.objects.count() == usage(OWN_PROJECT)["instances"] == 1
    # It is counted for each user.
    assert post(hinted(body, group, min_count=2, key_name=...), who="owner").status_code == 202


def test_the_list_takes_a_constant_number_of_queries(post, body, django_assert_num_queries):
    for _ in range(3):
        post(hinted(body, str(make().pk), min_count=2))

    with django_assert_num_queries(2):
        client_as("reader").get(URL)
