"""Routes of the servers API, without their prefix."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("servers.api.meta_urls")),
]
