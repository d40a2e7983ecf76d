"""Routes of what maintenance adds to the identity API, without their prefix."""

from django.urls import URLPattern, URLResolver, path

from maintenance.api.projects import ProjectBelongings, ProjectContents

_CONTENTS = "projects/<str:scope_id>/cloudportal:contents"
urlpatterns: list[URLPattern | URLResolver] = [
    path(_CONTENTS, ProjectContents.as_view()),
    path(f"{_CONTENTS}/<str:kind>", ProjectBelongings.as_view()),
]
