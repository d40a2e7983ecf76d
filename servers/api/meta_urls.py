"""Routes of what the compute API says about itself, of what it was once, and of older names."""

from django.urls import URLPattern, URLResolver, path

from servers.api import audit_log, boot_from_volume, extensions, gone, usage, versions

urlpatterns: list[URLPattern | URLResolver] = [
    path("versions/<str:version_id>", versions.VersionByIdView.as_view()),
    path("extensions", extensions.ExtensionsView.as_view()),
    path("extensions/<str:alias>", extensions.ExtensionView.as_view()),
    path("os-simple-tenant-usage", usage.UsageOfAll.as_view()),
    path("os-simple-tenant-usage/<str:tenant_id>", usage.UsageOfProject.as_view()),
    path("os-instance_usage_audit_log", audit_log.AuditLogs.as_view()),
    path("os-instance_usage_audit_log/<str:before>", audit_log.AuditLogBefore.as_view()),
    *gone.routes(),
    *boot_from_volume.routes(),
]
