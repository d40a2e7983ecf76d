"""Routes of the flavors API, without their prefix."""

from django.urls import URLPattern, URLResolver, path

from flavors.api import access, extra_specs, flavors

urlpatterns: list[URLPattern | URLResolver] = [
    path("flavors", flavors.FlavorsView.as_view()),
    path("flavors/detail", flavors.FlavorsDetailView.as_view()),
    path("flavors/<str:flavor_id>", flavors.FlavorView.as_view()),
    path("flavors/<str:flavor_id>/action", access.FlavorActionView.as_view()),
    path("flavors/<str:flavor_id>/os-flavor-access", access.FlavorAccessView.as_view()),
    path("flavors/<str:flavor_id>/os-extra_specs", extra_specs.ExtraSpecsView.as_view()),
    path("flavors/<str:flavor_id>/os-extra_specs/<str:key>", extra_specs.ExtraSpecView.as_view()),
]
