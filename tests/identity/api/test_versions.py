"""The version documents."""

from django.conf import settings

V3 = f"{settings.PUBLIC_URL}/identity/v3/"
ENTRY = {
    "id": "v3.14",
    "status": "stable",
    "updated": "2020-04-07T00:00:00Z",
    "links": [{"rel": "self", "href": V3}],
    "media-types": [
        {
            "base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json",
        }
    ],
}


def test_the_root_offers_the_versions_with_a_300(client):
    for path in ("/identity", "/identity/"):
        response = client.get(path)

        assert response.status_code == 300
        assert response["Location"] == V3
        assert response.json() == {"versions": {"values": [ENTRY]}}


def test_version_3_describes_itself(client):
    for path in ("/identity/v3", "/identity/v3/"):
        response = client.get(path)

        assert response.status_code == 200
        assert response.json() == {"version": ENTRY}
