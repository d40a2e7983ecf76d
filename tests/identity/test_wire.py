"""Real clients against the identity API of a running portal."""

import json
import os
from functools import cache

import openstack
import pytest
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

from identity.models import RoleAssignment
from tests.identity.conftest import PASSWORD
from tests.warm import Warm

pytestmark = [
    pytest.mark.wire,
    pytest.mark.django_db(transaction=True),
    # The client's own, about itself.
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.OpenStackDeprecationWarning"),
]


@cache
def command() -> Warm:
    """The real command, loaded once; it ends with this process."""
    return Warm("openstack", os.environ)


@pytest.fixture
def cloud(live_server, settings, admin, member, demo, other):
    settings.PUBLIC_URL = live_server.url
    return f"{live_server.url}/identity"


def connect(cloud, user, project, **more):
    return openstack.connect(
        auth_url=cloud,
        username=user.name,
        password=PASSWORD,
        project_name=project,
        user_domain_id="default",
        project_domain_name="Default",
        region_name="RegionOne",
        identity_api_version="3",
        load_yaml_config=False,
        load_envvars=False,
        **more,
    )


def run(cloud, *words, user="ada", project="other"):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "OS_AUTH_URL": cloud,
        "OS_USERNAME": user,
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": project,
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_IDENTITY_API_VERSION": "3",
    }
    done = command().run(words, environment, timeout_s=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.mark.parametrize("suffix", ["", "/", "/v3", "/v3/"])
def test_keystoneauth_logs_in_by_discovery_from_any_form_of_the_address(cloud, demo, suffix):
    auth = v3.Password(
        auth_url=cloud + suffix,
        username="mia",
        password=PASSWORD,
        user_domain_name="Default",
        project_id=demo.id,
    )
    opened = session.Session(auth=auth)

    assert auth.get_access(opened).project_name == "demo"
    endpoint = opened.get_endpoint(service_type="identity", interface="public", version="3")
    assert endpoint == f"{cloud}/v3"


def test_keystoneauth_rescopes_a_token(cloud, demo):
    first = v3.Password(
        auth_url=cloud, username="mia", password=PASSWORD, user_domain_id="default", unscoped=True
    )
    token = first.get_token(session.Session()) or ""
    second = v3.Token(auth_url=cloud, token=token, project_id=demo.id)

    assert second.get_access(session.Session()).role_names == ["member", "reader"]


def test_keystoneauth_knows_a_refusal(cloud):
    auth = v3.Password(auth_url=cloud, username="mia", password="x", user_domain_id="default")

    with pytest.raises(exceptions.Unauthorized):
        auth.get_token(session.Session())


def test_sdk_manages_projects_users_and_grants(cloud, admin, roles):
    identity = connect(cloud, admin, "other").identity

    project = identity.create_project(name="lab", description="Trials")
    user = identity.create_user(
        name="nia", password=PASSWORD, default_project_id=project.id, email="n@example.org"
    )
    role = identity.find_role("member")
    identity.assign_project_role_to_user(project, user, role)

    assert identity.find_project("lab").id == project.id
    assert identity.find_user("nia").email == "n@example.org"
    assert identity.validate_user_has_project_role(project, user, role)
    found = list(identity.role_assignments(user_id=user.id, include_names=True))
    assert [entry.role["name"] for entry in found] == ["member"]
    assert connect(cloud, type(admin)(name="nia"), "lab").current_project_id == project.id
    identity.unassign_project_role_from_user(project, user, role)
    assert not RoleAssignment.objects.filter(user_id=user.id).exists()
    identity.update_user(user, is_enabled=False)
    identity.delete_user(user)
    identity.delete_project(project)
    assert identity.find_user("nia") is None
    assert identity.find_project("lab") is None


def test_a_member_reads_its_own_project_and_user_by_the_sdk(cloud, member, demo):
    identity = connect(cloud, member, "demo").identity

    assert identity.get_project(demo.id).name == "demo"
    assert identity.get_user(member.id).name == "mia"
    assert [project.name for project in identity.user_projects(member.id)] == ["demo"]
    with pytest.raises(openstack.exceptions.ForbiddenException):
        list(identity.users())


def test_the_command_line_does_an_administrators_work(cloud):
    token = run(cloud, "token", "issue", "-f", "json")
    made = run(cloud, "project", "create", "lab", "--tag", "red", "-f", "json")
    user = run(
        cloud, "user", "create", "nia", "--password", PASSWORD, "--project", "lab", "-f", "json"
    )
    run(cloud, "role", "add", "--project", "lab", "--user", "nia", "member")
    assigned = run(cloud, "role", "assignment", "list", "--names", "--user", "nia", "-f", "json")
    catalog = run(cloud, "catalog", "list", "-f", "json")
    endpoints = run(cloud, "endpoint", "list", "-f", "json")
    mine = run(cloud, "project", "list", "-f", "json", user="nia", project="lab")
    run(cloud, "user", "delete", "nia")
    run(cloud, "project", "delete", "lab")

    assert token["project_id"] != made["id"]
    assert (made["name"], made["tags"]) == ("lab", ["red"])
    assert user["default_project_id"] == made["id"]
    assert [(entry["Role"], entry["Project"]) for entry in assigned] == [("member", "lab@Default")]
    assert {entry["Type"] for entry in catalog} == {
        *("identity", "compute", "image", "network"),
        *("block-storage", "volumev3"),
    }
    assert len(endpoints) == 18
    assert [entry["Name"] for entry in mine] == ["lab"]


def test_real_clients_make_and_use_an_application_credential(cloud, member, demo):
    words = ("application", "credential", "create", "ci", "--role", "reader", "-f", "json")
    rule = '[{"service": "identity", "method": "GET", "path": "/v3/users/**"}]'
    made = run(cloud, *words, "--access-rules", rule, user="mia", project="demo")
    auth = v3.ApplicationCredential(
        auth_url=cloud,
        application_credential_id=made["ID"] if "ID" in made else made["id"],
        application_credential_secret=made["Secret"] if "Secret" in made else made["secret"],
    )
    opened = session.Session(auth=auth)

    assert auth.get_access(opened).role_names == ["reader"]
    assert opened.get(f"{cloud}/v3/users/{member.id}").json()["user"]["name"] == "mia"
    with pytest.raises(exceptions.Unauthorized):
        opened.get(f"{cloud}/v3/projects/{demo.id}")
    identity = connect(cloud, member, "demo").identity
    assert [each.name for each in identity.application_credentials(member.id)] == ["ci"]
    run(cloud, "application", "credential", "show", "ci", "-f", "json", user="mia", project="demo")
    run(cloud, "application", "credential", "delete", "ci", user="mia", project="demo")
    with pytest.raises(exceptions.Unauthorized):
        session.Session(auth=auth).get(f"{cloud}/v3/users/{member.id}")
    rules = run(cloud, "access", "rule", "list", "-f", "json", user="mia", project="demo")
    run(cloud, "access", "rule", "delete", rules[0]["ID"], user="mia", project="demo")


def test_the_command_line_gives_roles_by_groups_and_domains(cloud, make_user):
    make_user("nia")
    run(cloud, "group", "create", "team", "-f", "json")
    run(cloud, "group", "add", "user", "team", "nia")
    run(cloud, "role", "add", "--project", "demo", "--group", "team", "reader")
    run(cloud, "role", "add", "--domain", "default", "--user", "nia", "--inherited", "member")
    run(cloud, "role", "add", "--domain", "default", "--user", "nia", "reader")
    listed = run(cloud, "role", "assignment", "list", "--group", "team", "--names", "-f", "json")
    words = ("role", "assignment", "list", "--effective", "--names", "--user", "nia")
    effective = run(cloud, *words, "--project", "demo", "-f", "json")
    mine = run(cloud, "project", "list", "-f", "json", user="nia", project="demo")
    auth = v3.Password(
        auth_url=cloud,
        username="nia",
        password=PASSWORD,
        user_domain_id="default",
        domain_id="default",
    )

    assert [(entry["Group"], entry["Project"]) for entry in listed] == [
        ("team@Default", "demo@Default")
    ]
    assert {entry["Role"] for entry in effective} == {"member", "reader"}
    assert {entry["Name"] for entry in mine} == {"demo", "other"}
    assert auth.get_access(session.Session(auth=auth)).role_names == ["reader"]
    run(cloud, "group", "remove", "user", "team", "nia")
    run(cloud, "group", "delete", "team")


def test_the_command_line_manages_domains_and_what_is_in_them(cloud):
    def read(*words, **login):
        return run(cloud, *words, "-f", "json", **login)

    made = read("domain", "create", "lab", "--description", "Trials")
    run(cloud, "domain", "set", "--description", "More", "lab")
    shown, listed = read("domain", "show", "lab"), read("domain", "list")
    project = read("project", "create", "bench", "--domain", "lab", "--tag", "red")
    run(cloud, "project", "set", "--tag", "blue", "--domain", "lab", "bench")
    tagged = read("project", "list", "--domain", "lab", "--tags", "red,blue")
    untagged = read("project", "list", "--domain", "lab", "--not-tags-any", "red")
    tree = read("project", "show", "--parents", "--children", project["id"])
    read("project", "create", "stone", "--immutable")
    run(cloud, "project", "set", "--no-immutable", "stone")
    run(cloud, "project", "delete", "stone")
    user = read("user", "create", "lara", "--domain", "lab", "--password", PASSWORD)
    run(cloud, "user", "set", "--email", "l@example.org", user["id"])
    users = read("user", "list", "--domain", "lab", "--long")
    team = read("group", "create", "team", "--domain", "lab")
    run(cloud, "group", "set", "--description", "All", team["id"])
    run(cloud, "group", "add", "user", team["id"], user["id"])
    groups = read("group", "list", "--user", user["id"])
    run(cloud, "group", "remove", "user", team["id"], user["id"])
    run(cloud, "domain", "set", "--disable", "lab")
    run(cloud, "domain", "delete", "lab")

    assert (shown["id"], shown["description"]) == (made["id"], "More")
    assert {entry["Name"] for entry in listed} == {"Default", "lab"}
    assert project["tags"] == ["red"]
    assert [entry["Name"] for entry in tagged] == ["bench"]
    assert untagged == []
    assert tree["id"] == project["id"]
    assert [(entry["Name"], entry["Email"]) for entry in users] == [("lara", "l@example.org")]
    assert [entry["Name"] for entry in groups] == ["team"]
    assert [entry["Name"] for entry in read("domain", "list")] == ["Default"]
    assert "lara" not in {entry["Name"] for entry in read("user", "list")}


@pytest.mark.long
def test_the_command_line_manages_roles_that_imply_others(cloud, make_user):
    def read(*words):
        return run(cloud, *words, "-f", "json")

    make_user("nia")
    read("role", "create", "auditor", "--description", "Looks")
    run(cloud, "role", "set", "--description", "Reads", "auditor")
    read("implied", "role", "create", "auditor", "--implied-role", "reader")
    implied = read("implied", "role", "list")
    run(cloud, "role", "add", "--project", "demo", "--user", "nia", "auditor")
    words = ("role", "assignment", "list", "--effective", "--names", "--user", "nia")
    effective = read(*words, "--project", "demo")
    run(cloud, "implied", "role", "delete", "auditor", "--implied-role", "reader")
    left = read(*words, "--project", "demo")
    read("role", "create", "hand", "--domain", "default")
    of_domain = read("role", "list", "--domain", "default")
    run(cloud, "role", "delete", "hand", "--domain", "default")
    run(cloud, "role", "delete", "auditor")

    assert {(entry["Prior Role Name"], entry["Implied Role Name"]) for entry in implied} >= {
        ("auditor", "reader")
    }
    assert {entry["Role"] for entry in effective} == {"auditor", "reader"}
    assert {entry["Role"] for entry in left} == {"auditor"}
    assert [entry["Name"] for entry in of_domain] == ["hand"]
    assert "auditor" not in {entry["Name"] for entry in read("role", "list")}


@pytest.mark.long
def test_the_command_line_reads_the_catalogue_and_ends_a_token(cloud, member):
    def read(*words, **login):
        return run(cloud, *words, "-f", "json", **login)

    service = read("service", "show", "nova")
    endpoints = read("endpoint", "list", "--service", "compute", "--interface", "public")
    endpoint = read("endpoint", "show", endpoints[0]["ID"])
    regions = read("region", "list")
    region = read("region", "show", "RegionOne")
    entry = read("catalog", "show", "compute")
    limits, registered = read("limit", "list"), read("registered", "limit", "list")
    token = read("token", "issue", user="mia", project="demo")
    run(cloud, "token", "revoke", token["id"])
    words = ("user", "password", "set", "--original-password", PASSWORD)
    run(cloud, *words, "--password", "another horse 2", user="mia", project="demo")

    assert service["type"] == entry["type"] == "compute"
    assert endpoint["service_type"] == "compute"
    assert [each["Region"] for each in regions] == ["RegionOne"]
    assert region["region"] == "RegionOne"
    assert limits == registered == []
    member.refresh_from_db()
    assert member.check_password("another horse 2")
