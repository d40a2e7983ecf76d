"""Whatever a body or a query says, the answer is an answer and no accident."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from networks.api.bodies import CREATE_PORT, CREATE_SUBNET
from networks.api.router_bodies import CREATE_FLOATING_IP, CREATE_ROUTER
from networks.models import Network

pytestmark = pytest.mark.django_db
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
)
likely = st.sampled_from(
    ["10.5.0.9", "10.5.0.0/24", "::1", "fa:16:3e:00:00:01", "", "999.1.1.1", "10.9.9.9/33"]
)
values = st.recursive(
    scalars | likely,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ip_address", "subnet_id", "start", "end"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
@pytest.mark.parametrize(
    ("name", "schema", "of_network"),
    [
        ("port", CREATE_PORT, "network_id"),
        ("subnet", CREATE_SUBNET, "network_id"),
        ("router", CREATE_ROUTER, ""),
        ("floatingip", CREATE_FLOATING_IP, "floating_network_id"),
    ],
    ids=["port", "subnet", "router", "floatingip"],
)
def test_any_body_is_answered(client_for, network, admin, name, schema, of_network, data):
    keys = st.sampled_from(sorted(schema["properties"]))
    fields = data.draw(st.dictionaries(keys, values, max_size=5))
    known = {of_network: str(network.pk)} if of_network else {}
    body = {name: {**known, **fields}}
    if name == "floatingip":
        Network.objects.filter(pk=network.pk).update(is_external=True)

    response = client_for(admin).post(f"/network/v2.0/{name}s", body, format="json")

    assert response.status_code in (201, 400, 403, 404, 409), (body, response.content)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    query=st.dictionaries(
        st.sampled_from(
            ["id", "name", "limit", "marker", "sort_key", "sort_dir", "fixed_ips", "status",
             "admin_state_up", "revision_number", "page_reverse", "security_groups", "tags"]
        ),
        st.text(max_size=20) | st.sampled_from(["1", "true", "name", "asc", "ip_address=x"]),
        max_size=4,
    )
)  # fmt: skip
def test_any_query_is_answered(client_for, network, member, query):
    response = client_for(member).get("/network/v2.0/ports", query)

    assert response.status_code in (200, 400), (query, response.content)
