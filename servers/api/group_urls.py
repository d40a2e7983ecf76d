"""Routes of the server groups API, without their prefix."""

from django.urls import path

from servers.api import groups

urlpatterns = [
    path("os-server-groups", groups.ServerGroups.as_view()),
    path("os-server-groups/<str:group_id>", groups.OneServerGroup.as_view()),
]
