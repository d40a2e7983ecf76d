"""The set-up: what it makes, that only its owner reads it, and that repeating changes nothing."""

import re
import sqlite3
import stat

import pytest
import yaml

from tests.cloudportal.portal import environment, free_port, manage, state_folder


@pytest.fixture(scope="module")
def made():
    with state_folder() as var:
        env = environment(var, free_port())
        first = manage(env, "setup", "--no-hypervisor").stdout
        yield var, env, first


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def rows(var, query):
    database = sqlite3.connect(var / "cloudportal.sqlite3")
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def test_it_says_what_it_did(made):
    var, _, said = made

    assert said.splitlines()[0] == f"state: {var} made"
    assert "people: admin and demo made" in said
    assert "flavors: 5 made" in said
    # Which range is free depends on the machine.
    assert re.search(r"^network: default \(10\.\d+\.0\.0/24\) made$", said, re.MULTILINE)
    assert said.splitlines()[-1] == "set-up: done"


def test_what_it_makes_is_its_owners_alone(made):
    var, _, _ = made

    assert mode(var) == 0o700
    for name in ("secret_key", "credentials", "clouds.yaml", "run/supervisord.conf"):
        assert mode(var / name) == 0o600, name


def test_the_clients_configuration_has_both_clouds(made):
    var, env, _ = made
    clouds = yaml.safe_load((var / "clouds.yaml").read_text())["clouds"]
    lines = (var / "credentials").read_text().splitlines()
    passwords = dict(line.split() for line in lines if not line.startswith("#"))

    assert {
        name: (cloud["auth"]["username"], cloud["auth"]["project_name"])
        for name, cloud in clouds.items()
    } == {"cloudportal-admin": ("admin", "admin"), "cloudportal": ("demo", "demo")}
    for cloud in clouds.values():
        assert cloud["auth"]["auth_url"] == (f"http://127.0.0.1:{env['CLOUDPORTAL_PORT']}/identity")
        assert cloud["auth"]["password"] == passwords[cloud["auth"]["username"]]
        assert cloud["region_name"] == "RegionOne"
        assert cloud["identity_api_version"] == 3
    assert len(passwords["admin"]) >= 20
    assert passwords["admin"] != passwords["demo"]


def test_the_first_users_have_their_roles(made):
    var, _, _ = made

    found = rows(
        var,
        "SELECT u.name, p.name, r.name FROM identity_roleassignment a "
        "JOIN identity_user u ON u.id = a.user_id JOIN identity_project p ON p.id = a.project_id "
        "JOIN identity_role r ON r.id = a.role_id ORDER BY 1, 2",
    )

    assert found == [
        ("admin", "admin", "admin"),
        ("admin", "demo", "admin"),
        ("demo", "demo", "member"),
    ]
    assert rows(var, "SELECT name FROM identity_user WHERE is_superuser") == [("admin",)]


def test_passwords_are_kept_as_argon2_hashes(made):
    var, _, _ = made

    assert all(
        value.startswith("argon2$") for (value,) in rows(var, "SELECT password FROM identity_user")
    )


def test_doing_it_again_changes_nothing(made):
    var, env, _ = made
    names = ("secret_key", "credentials", "clouds.yaml")
    before = {name: (var / name).read_text() for name in names}
    count = "SELECT (SELECT count(*) FROM identity_user), (SELECT count(*) FROM flavors_flavor)"
    counted = rows(var, count)

    said = manage(env, "setup", "--no-hypervisor").stdout

    assert "made" not in said
    assert {name: (var / name).read_text() for name in names} == before
    assert rows(var, count) == counted


def test_an_unknown_variable_is_named(made):
    _, env, _ = made

    done = manage({**env, "CLOUDPORTAL_PROT": "1"}, "check", check=False)

    assert done.returncode == 1
    assert "The environment variable CLOUDPORTAL_PROT is none of the portal's." in done.stderr


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda var: (var / "secret_key").unlink(), "There is no signing key"),
        (lambda var: (var / "secret_key").chmod(0o644), "Others may read the signing key"),
    ],
)
def test_the_web_process_refuses_a_portal_that_is_not_ready(made, spoil, words):
    var, env, _ = made
    key = (var / "secret_key").read_text()
    spoil(var)
    try:
        done = manage(env, "shell", "-v0", "-c", "import cloudportal.wsgi", check=False)
    finally:
        (var / "secret_key").write_text(key)
        (var / "secret_key").chmod(0o600)

    assert done.returncode == 1
    assert words in done.stderr


def test_a_further_machine_with_another_key_changes_nothing_for_all(made):
    var, env, _ = made
    before = rows(var, "SELECT password FROM identity_user ORDER BY 1")
    with state_folder() as other:
        there = {
            **env,
            "CLOUDPORTAL_VAR": str(other),
            "DATABASE_URL": f"sqlite:///{var / 'cloudportal.sqlite3'}",
        }
        done = manage(there, "setup", "--no-hypervisor", check=False)

    assert done.returncode == 1
    assert "it must be the same on all machines" in done.stderr
    assert rows(var, "SELECT password FROM identity_user ORDER BY 1") == before


def test_a_database_of_another_kind_is_refused(made):
    _, env, _ = made

    done = manage({**env, "DATABASE_URL": "mysql://a:b@127.0.0.1/c"}, "check", check=False)

    assert done.returncode == 1
