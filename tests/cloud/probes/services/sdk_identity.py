"""What openstacksdk is asked of the identity service."""

from __future__ import annotations

from typing import Any

import openstack

from tests.cloud.probes.services.absent import absent
from tests.cloud.probes.services.groups import IDENTITY, ServiceColumn
from tests.cloud.probes.table import Outcome, Probes

PROBES = Probes(IDENTITY)
PASSWORD = "long-enough-1"


def _connect(s: ServiceColumn, **who: Any) -> Any:
    return openstack.connect(
        auth_url=f"{s.portal.url}/identity/v3",
        load_envvars=False,
        load_yaml_config=False,
        **who,
    )


def _names(things: Any) -> set[str]:
    return {each.name for each in things}


@PROBES.of("token")
def _token(s: ServiceColumn) -> None:
    fresh = s.portal.connection()
    token = fresh.authorize()
    headers = {"X-Subject-Token": token}
    assert s.admin.identity.get("/auth/tokens", headers=headers).status_code == 200
    assert s.admin.identity.delete("/auth/tokens", headers=headers).status_code == 204
    assert s.admin.identity.get("/auth/tokens", headers=headers).status_code == 404


@PROBES.of("catalog")
def _catalog(s: ServiceColumn) -> None:
    types = {each["type"] for each in s.demo.service_catalog}
    assert {"identity", "compute", "image", "network", "block-storage"} <= types


@PROBES.of("domains")
def _domains(s: ServiceColumn) -> None:
    identity = s.admin.identity
    made = identity.create_domain(name=s.own, description="One.")
    assert identity.update_domain(made, description="Two.").description == "Two."
    assert identity.find_domain(s.own).id == made.id
    project = identity.create_project(name=s.own, domain_id=made.id)
    assert _names(identity.projects(domain_id=made.id)) == {s.own}
    identity.delete_project(project)
    identity.update_domain(made, is_enabled=False)
    identity.delete_domain(made)
    assert s.own not in _names(identity.domains())


@PROBES.of("projects")
def _projects(s: ServiceColumn) -> None:
    identity = s.admin.identity
    made = identity.create_project(name=s.own, description="One.")
    changed = identity.update_project(made, description="Two.", is_enabled=False)
    assert (changed.description, changed.is_enabled) == ("Two.", False)
    assert s.own in _names(identity.projects(is_enabled=False))
    identity.delete_project(made)
    assert identity.find_project(s.own) is None


@PROBES.of("project tags")
def _tags(s: ServiceColumn) -> None:
    identity = s.admin.identity
    made = identity.create_project(name=f"{s.own}-tags", tags=["a", "b"])
    assert _names(identity.projects(tags="a,b")) == {made.name}
    made.remove_tag(identity, "a")
    made.add_tag(identity, "c")
    assert sorted(identity.get_project(made.id).tags) == ["b", "c"]
    identity.delete_project(made)


@PROBES.of("users")
def _users(s: ServiceColumn) -> None:
    identity = s.admin.identity
    made = identity.create_user(name=s.own, password=PASSWORD, email="a@example.org")
    changed = identity.update_user(made, description="Somebody.", is_enabled=False)
    assert (changed.description, changed.is_enabled) == ("Somebody.", False)
    assert identity.find_user(s.own).email == "a@example.org"
    identity.delete_user(made)
    assert s.own not in _names(identity.users())


@PROBES.of("own password")
def _password(s: ServiceColumn) -> None:
    identity = s.admin.identity
    name = f"{s.own}-password"
    project = identity.create_project(name=name)
    user = identity.create_user(name=name, password=PASSWORD)
    identity.assign_project_role_to_user(project, user, identity.find_role("member"))
    who = {"username": name, "project_name": name}
    where = {"user_domain_id": "default", "project_domain_id": "default"}
    own = _connect(s, password=PASSWORD, **who, **where)
    body = {"user": {"original_password": PASSWORD, "password": f"{PASSWORD}-new"}}
    answer = own.identity.post(f"/users/{user.id}/password", json=body)
    assert answer.status_code == 204
    assert _connect(s, password=f"{PASSWORD}-new", **who, **where).current_user_id == user.id
    identity.delete_user(user)
    identity.delete_project(project)


@PROBES.of("groups")
def _groups(s: ServiceColumn) -> None:
    identity = s.admin.identity
    demo = s.demo.current_user_id
    made = identity.create_group(name=s.own, description="One.")
    assert identity.update_group(made, description="Two.").description == "Two."
    identity.add_user_to_group(demo, made)
    assert identity.check_user_in_group(demo, made)
    assert {each.id for each in identity.group_users(made)} == {demo}
    identity.remove_user_from_group(demo, made)
    identity.delete_group(made)
    assert s.own not in _names(identity.groups())


@PROBES.of("roles")
def _roles(s: ServiceColumn) -> None:
    identity = s.admin.identity
    made = identity.create_role(name=s.own)
    assert identity.update_role(made, description="Two.").description == "Two."
    assert s.own in _names(identity.roles())
    identity.delete_role(made)


def _assigned(s: ServiceColumn, **query: Any) -> list[str]:
    found = s.admin.identity.role_assignments(include_names=True, **query)
    return sorted(each.role["name"] for each in found)


@PROBES.of("role assignments")
def _assignments(s: ServiceColumn) -> None:
    identity = s.admin.identity
    project = identity.create_project(name=f"{s.own}-assigned")
    group = identity.create_group(name=project.name)
    demo = s.demo.current_user_id
    reader, member = identity.find_role("reader"), identity.find_role("member")
    identity.assign_project_role_to_user(project, demo, reader)
    identity.assign_project_role_to_group(project, group, member)
    assert _assigned(s, scope_project_id=project.id) == ["member", "reader"]
    assert _assigned(s, scope_project_id=project.id, user_id=demo) == ["reader"]
    assert identity.validate_user_has_project_role(project, demo, reader)
    identity.unassign_project_role_from_user(project, demo, reader)
    identity.unassign_project_role_from_group(project, group, member)
    identity.assign_domain_role_to_user("default", demo, reader)
    assert "reader" in _assigned(s, scope_domain_id="default", user_id=demo)
    identity.unassign_domain_role_from_user("default", demo, reader)
    identity.delete_group(group)
    identity.delete_project(project)


@PROBES.of("inherited assignments")
def _inherited(s: ServiceColumn) -> None:
    identity = s.admin.identity
    user = identity.create_user(name=f"{s.own}-heir", password=PASSWORD)
    project = identity.create_project(name=f"{s.own}-heir")
    reader = identity.find_role("reader")
    identity.assign_domain_role_to_user("default", user, reader, inherited=True)
    given = {"effective": True, "scope_project_id": project.id, "user_id": user.id}
    assert _assigned(s, **given) == ["reader"]
    identity.unassign_domain_role_from_user("default", user, reader, inherited=True)
    assert _assigned(s, user_id=user.id) == []
    identity.delete_project(project)
    identity.delete_user(user)


@PROBES.of("implied roles")
def _implied(s: ServiceColumn) -> None:
    identity = s.admin.identity
    one = identity.create_role(name=f"{s.own}-prior")
    two = identity.create_role(name=f"{s.own}-implied")
    assert identity.put(f"/roles/{one.id}/implies/{two.id}").status_code == 201
    listed = identity.get("/role_inferences").json()["role_inferences"]
    implied = {each["prior_role"]["id"]: each["implies"] for each in listed}
    assert [each["id"] for each in implied[one.id]] == [two.id]
    assert identity.delete(f"/roles/{one.id}/implies/{two.id}").status_code == 204
    identity.delete_role(one)
    identity.delete_role(two)


@PROBES.of("application credentials")
def _credentials(s: ServiceColumn) -> None:
    identity, user = s.demo.identity, s.demo.current_user_id
    made = identity.create_application_credential(user, name=s.own, roles=[{"name": "member"}])
    own = _connect(
        s,
        auth_type="v3applicationcredential",
        application_credential_id=made.id,
        application_credential_secret=made.secret,
    )
    assert own.current_project_id == s.demo.current_project_id
    assert s.own in _names(identity.application_credentials(user))
    identity.delete_application_credential(user, made)
    assert s.own not in _names(identity.application_credentials(user))


@PROBES.of("access rules")
def _rules(s: ServiceColumn) -> None:
    identity, user = s.demo.identity, s.demo.current_user_id
    rules = [{"service": "compute", "method": "GET", "path": "/v2.1/flavors"}]
    made = identity.create_application_credential(user, name=f"{s.own}-rules", access_rules=rules)
    listed = list(identity.access_rules(user))
    assert "/v2.1/flavors" in {each.path for each in listed}
    identity.delete_application_credential(user, made)
    for each in listed:
        if each.path == "/v2.1/flavors":
            identity.delete_access_rule(user, each)


@PROBES.of("services, endpoints, regions")
def _services(s: ServiceColumn) -> None:
    identity = s.admin.identity
    compute = identity.find_service("nova")
    assert compute.type == "compute"
    assert {each.interface for each in identity.endpoints(service_id=compute.id)} >= {"public"}
    assert [identity.get_region(each.id) for each in identity.regions()]


@PROBES.of("credentials")
def _keys(s: ServiceColumn) -> Outcome:
    return absent(s.admin.identity.credentials)


@PROBES.of("trusts")
def _trusts(s: ServiceColumn) -> Outcome:
    return absent(s.admin.identity.trusts)


@PROBES.of("limits")
def _limits(s: ServiceColumn) -> None:
    assert list(s.admin.identity.registered_limits()) == []
