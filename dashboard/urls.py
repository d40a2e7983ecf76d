"""Routes of the dashboard."""

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, path, re_path

from dashboard.views import (
    catalogue,
    consoles,
    create,
    credentials,
    key_pairs,
    overview,
    servers,
    session,
)

app_name = "dashboard"
urlpatterns: list[URLPattern | URLResolver] = [
    path("login/", session.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("project/", session.OpenProject.as_view(), name="open-project"),
    path("", overview.Overview.as_view(), name="overview"),
    path("servers/", servers.ServerList.as_view(), name="servers"),
    path("servers/create/", create.CreateServer.as_view(), name="create-server"),
    path("servers/<uuid:server_id>/", servers.ServerPage.as_view(), name="server"),
    path("servers/<uuid:server_id>/console/", servers.ConsolePage.as_view(), name="server-console"),
    path(
        "servers/<uuid:server_id>/console/text/",
        servers.ConsoleText.as_view(),
        name="server-console-text",
    ),
    path(
        "servers/<uuid:server_id>/console/picture/",
        consoles.Picture.as_view(),
        name="console-picture",
    ),
    re_path(
        r"^servers/(?P<server_id>[0-9a-f-]{36})/console/(?P<kind>vnc|serial)/$",
        consoles.ConsolePage.as_view(),
        name="console",
    ),
    re_path(r"^console/(?P<kind>vnc|serial)$", consoles.TokenPage.as_view(), name="token-console"),
    path(
        "servers/<uuid:server_id>/activity/", servers.ActivityPage.as_view(), name="server-activity"
    ),
    path(
        "servers/<uuid:server_id>/placement/",
        servers.PlacementPage.as_view(),
        name="server-placement",
    ),
    path(
        "servers/<uuid:server_id>/do/<str:action>/",
        servers.PowerPage.as_view(),
        name="server-power",
    ),
    path("key-pairs/", key_pairs.KeyPairList.as_view(), name="key-pairs"),
    path("key-pairs/import/", key_pairs.ImportKeyPair.as_view(), name="import-key-pair"),
    path("key-pairs/delete/", key_pairs.DeleteKeyPair.as_view(), name="delete-key-pair"),
    path("credentials/", credentials.CredentialList.as_view(), name="credentials"),
    path("credentials/create/", credentials.CreateCredential.as_view(), name="create-credential"),
    path(
        "credentials/<str:credential_id>/clouds.yaml",
        credentials.CredentialFile.as_view(),
        name="credential-file",
    ),
    path(
        "credentials/<str:credential_id>/delete/",
        credentials.DeleteCredential.as_view(),
        name="delete-credential",
    ),
    path("images/", catalogue.ImageList.as_view(), name="images"),
    path("networks/", catalogue.NetworkList.as_view(), name="networks"),
    path("access/", session.ApiAccess.as_view(), name="access"),
    path("access/clouds.yaml", session.CloudsYaml.as_view(), name="clouds-yaml"),
]
