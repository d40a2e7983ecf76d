"""What the `openstack` command is asked of the identity service."""

from __future__ import annotations

import json

from tests.cloud.probes.command import names
from tests.cloud.probes.services.absent import absent
from tests.cloud.probes.services.groups import IDENTITY, ServiceCommandColumn
from tests.cloud.probes.table import Outcome, Probes

PROBES = Probes(IDENTITY)
PASSWORD = "long-enough-1"


@PROBES.of("token")
def _token(c: ServiceCommandColumn) -> None:
    token = c.read("token", "issue")
    assert token["project_id"] == c.demo.current_project_id
    c.run_it("token", "revoke", token["id"])


@PROBES.of("catalog")
def _catalog(c: ServiceCommandColumn) -> None:
    assert {"identity", "compute", "image", "network"} <= {
        row["Type"] for row in c.read("catalog", "list")
    }
    assert c.read("catalog", "show", "compute")["name"] == "nova"


@PROBES.of("domains")
def _domains(c: ServiceCommandColumn) -> None:
    c.root("domain", "create", "--description", "One.", c.own)
    c.root("domain", "set", "--description", "Two.", c.own)
    assert c.root_read("domain", "show", c.own)["description"] == "Two."
    assert c.own in names(c.root_read("domain", "list"))
    c.root("project", "create", "--domain", c.own, c.own)
    assert names(c.root_read("project", "list", "--domain", c.own)) == {c.own}
    c.root("project", "delete", "--domain", c.own, c.own)
    c.root("domain", "set", "--disable", c.own)
    c.root("domain", "delete", c.own)
    assert c.own not in names(c.root_read("domain", "list"))


@PROBES.of("projects")
def _projects(c: ServiceCommandColumn) -> None:
    c.root("project", "create", "--description", "One.", c.own)
    c.root("project", "set", "--description", "Two.", "--disable", c.own)
    shown = c.root_read("project", "show", c.own)
    assert (shown["description"], shown["enabled"]) == ("Two.", False)
    assert c.own in names(c.root_read("project", "list", "--disabled"))
    c.root("project", "delete", c.own)
    assert c.own not in names(c.root_read("project", "list"))


@PROBES.of("project tags")
def _tags(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-tags"
    c.root("project", "create", "--tag", "a", "--tag", "b", name)
    assert names(c.root_read("project", "list", "--tags", "a,b")) == {name}
    c.root("project", "set", "--remove-tag", "a", name)
    assert c.root_read("project", "show", name)["tags"] == ["b"]
    assert c.root_read("project", "list", "--tags", "a") == []
    c.root("project", "delete", name)


@PROBES.of("users")
def _users(c: ServiceCommandColumn) -> None:
    c.root("user", "create", "--password", PASSWORD, "--email", "a@example.org", c.own)
    c.root("user", "set", "--description", "Somebody.", "--disable", c.own)
    shown = c.root_read("user", "show", c.own)
    assert (shown["description"], shown["enabled"]) == ("Somebody.", False)
    assert c.own in names(c.root_read("user", "list", "--long"))
    c.root("user", "delete", c.own)
    assert c.own not in names(c.root_read("user", "list"))


def _as_user(name: str, password: str, project: str) -> tuple[str, ...]:
    """Log in as that user, whatever the chosen cloud says."""
    return (
        *("--os-username", name, "--os-password", password),
        *("--os-project-name", project),
    )


@PROBES.of("own password")
def _password(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-password"
    c.root("project", "create", name)
    c.root("user", "create", "--password", PASSWORD, name)
    c.root("role", "add", "--project", name, "--user", name, "member")
    changed = ("--original-password", PASSWORD, "--password", f"{PASSWORD}-new")
    c.run_it(*_as_user(name, PASSWORD, name), "user", "password", "set", *changed)
    token = c.read(*_as_user(name, f"{PASSWORD}-new", name), "token", "issue")
    assert token["user_id"] == c.root_read("user", "show", name)["id"]
    c.root("user", "delete", name)
    c.root("project", "delete", name)


@PROBES.of("groups")
def _groups(c: ServiceCommandColumn) -> None:
    c.root("group", "create", "--description", "One.", c.own)
    c.root("group", "set", "--description", "Two.", c.own)
    c.root("group", "add", "user", c.own, "demo")
    assert "in group" in c.root("group", "contains", "user", c.own, "demo")
    assert c.own in names(c.root_read("group", "list", "--user", "demo"))
    assert names(c.root_read("user", "list", "--group", c.own)) == {"demo"}
    c.root("group", "remove", "user", c.own, "demo")
    assert c.root_read("group", "show", c.own)["description"] == "Two."
    c.root("group", "delete", c.own)


@PROBES.of("roles")
def _roles(c: ServiceCommandColumn) -> None:
    c.root("role", "create", "--description", "One.", c.own)
    c.root("role", "set", "--description", "Two.", c.own)
    assert c.root_read("role", "show", c.own)["description"] == "Two."
    assert c.own in names(c.root_read("role", "list"))
    c.root("role", "delete", c.own)


def _assigned(c: ServiceCommandColumn, *words: str) -> list[str]:
    rows = c.root_read("role", "assignment", "list", "--names", *words)
    return sorted(row["Role"].split("@")[0] for row in rows)


@PROBES.of("role assignments")
def _assignments(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-assigned"
    c.root("project", "create", name)
    c.root("group", "create", name)
    c.root("role", "add", "--project", name, "--user", "demo", "reader")
    c.root("role", "add", "--project", name, "--group", name, "member")
    assert _assigned(c, "--project", name) == ["member", "reader"]
    assert _assigned(c, "--project", name, "--user", "demo") == ["reader"]
    c.root("role", "remove", "--project", name, "--user", "demo", "reader")
    c.root("role", "remove", "--project", name, "--group", name, "member")
    assert _assigned(c, "--project", name) == []
    c.root("role", "add", "--domain", "default", "--user", "demo", "reader")
    assert "reader" in _assigned(c, "--domain", "default", "--user", "demo")
    c.root("role", "remove", "--domain", "default", "--user", "demo", "reader")
    c.root("group", "delete", name)
    c.root("project", "delete", name)


@PROBES.of("inherited assignments")
def _inherited(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-heir"
    c.root("user", "create", "--password", PASSWORD, name)
    c.root("project", "create", name)
    inherited = ("role", "add", "--domain", "default", "--user", name, "--inherited", "reader")
    c.root(*inherited)
    rows = c.root_read("role", "assignment", "list", "--user", name)
    assert [row["Inherited"] for row in rows] == [True]
    assert "reader" in _assigned(c, "--effective", "--project", name, "--user", name)
    c.root("role", "remove", *inherited[2:])
    assert _assigned(c, "--user", name) == []
    c.root("project", "delete", name)
    c.root("user", "delete", name)


@PROBES.of("implied roles")
def _implied(c: ServiceCommandColumn) -> None:
    one, two = f"{c.own}-prior", f"{c.own}-implied"
    c.root("role", "create", one)
    c.root("role", "create", two)
    c.root("implied", "role", "create", "--implied-role", two, one)
    rows = c.root_read("implied", "role", "list")
    assert two in {row["Implied Role Name"] for row in rows if row["Prior Role Name"] == one}
    c.root("implied", "role", "delete", "--implied-role", two, one)
    c.root("role", "delete", one)
    c.root("role", "delete", two)


@PROBES.of("application credentials")
def _credentials(c: ServiceCommandColumn) -> None:
    made = c.read("application", "credential", "create", "--role", "member", c.own)
    secret = made.get("secret") or made["Secret"]
    own = (
        *("--os-auth-type", "v3applicationcredential"),
        *("--os-auth-url", f"{c.portal.url}/identity/v3"),
        *("--os-application-credential-id", made.get("id") or made["ID"]),
        *("--os-application-credential-secret", secret),
    )
    token = c.read(*own, "token", "issue", cloud="")
    assert token["project_id"] == c.demo.current_project_id
    assert c.own in names(c.read("application", "credential", "list"))
    c.run_it("application", "credential", "delete", c.own)
    assert c.own not in names(c.read("application", "credential", "list"))


@PROBES.of("access rules")
def _rules(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-rules"
    rules = [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]
    c.run_it("application", "credential", "create", "--access-rules", json.dumps(rules), name)
    listed = c.read("access", "rule", "list")
    assert ("compute", "GET") in {(row["Service"], row["Method"]) for row in listed}
    c.run_it("application", "credential", "delete", name)
    for row in listed:
        c.run_it("access", "rule", "delete", row["ID"])


@PROBES.of("services, endpoints, regions")
def _services(c: ServiceCommandColumn) -> None:
    assert "nova" in names(c.root_read("service", "list"))
    assert c.root_read("service", "show", "nova")["type"] == "compute"
    endpoints = c.root_read("endpoint", "list", "--service", "nova")
    assert {"public"} <= {row["Interface"] for row in endpoints}
    regions = c.root_read("region", "list")
    assert c.root_read("region", "show", regions[0]["Region"])


@PROBES.of("credentials")
def _keys(c: ServiceCommandColumn) -> Outcome:
    return absent(c.root, "credential", "list")


@PROBES.of("trusts")
def _trusts(c: ServiceCommandColumn) -> Outcome:
    return absent(c.root, "trust", "list")


@PROBES.of("limits")
def _limits(c: ServiceCommandColumn) -> None:
    # Limits are each service's own quotas here; this list of them is empty.
    assert c.root_read("registered", "limit", "list") == []
