"""Routes of the compute API beside servers and their actions, and of what it was once."""

from django.urls import URLPattern, URLResolver, include, path

from servers.api import (
    assisted_snapshots,
    audit_log,
    boot_from_volume,
    diagnostics,
    extensions,
    external_events,
    gone,
    migrations,
    remote_consoles,
    server_facts,
    server_migrations,
    usage,
    versions,
)

_ONE = "servers/<str:server_id>"
_MIGRATION = f"{_ONE}/migrations/<str:migration_id>"
_SNAPSHOTS = "os-assisted-volume-snapshots"
urlpatterns: list[URLPattern | URLResolver] = [
    path("versions/<str:version_id>", versions.VersionByIdView.as_view()),
    path("extensions", extensions.ExtensionsView.as_view()),
    path("extensions/<str:alias>", extensions.ExtensionView.as_view()),
    path("os-simple-tenant-usage", usage.UsageOfAll.as_view()),
    path("os-simple-tenant-usage/<str:tenant_id>", usage.UsageOfProject.as_view()),
    path("os-instance_usage_audit_log", audit_log.AuditLogs.as_view()),
    path("os-instance_usage_audit_log/<str:before>", audit_log.AuditLogBefore.as_view()),
    path("os-server-external-events", external_events.ExternalEvents.as_view()),
    path(_SNAPSHOTS, assisted_snapshots.AssistedSnapshots.as_view()),
    path(f"{_SNAPSHOTS}/<str:snapshot_id>", assisted_snapshots.AssistedSnapshot.as_view()),
    path("os-console-auth-tokens/<str:token>", remote_consoles.ConsoleAuthToken.as_view()),
    path("os-migrations", migrations.Migrations.as_view()),
    path(f"{_ONE}/diagnostics", diagnostics.Diagnostics.as_view()),
    path(f"{_ONE}/remote-consoles", remote_consoles.RemoteConsoles.as_view()),
    path(f"{_ONE}/os-server-password", server_facts.ServerPassword.as_view()),
    path(f"{_ONE}/topology", server_facts.Topology.as_view()),
    path(f"{_ONE}/shares", server_facts.Shares.as_view()),
    path(f"{_ONE}/shares/<str:share_id>", server_facts.Share.as_view()),
    path(f"{_ONE}/migrations", server_migrations.ServerMigrations.as_view()),
    path(_MIGRATION, server_migrations.ServerMigration.as_view()),
    path(f"{_MIGRATION}/action", server_migrations.ServerMigrationAction.as_view()),
    # Before the others: `os-networks/add` is no network of that name.
    *gone.routes(),
    path("", include("servers.api.proxies.urls")),
    *boot_from_volume.routes(),
]
