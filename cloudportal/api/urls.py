"""Routes of the API documentation."""

from django.urls import path

from cloudportal.api.docs import RedocPage, SchemaView, SwaggerPage

urlpatterns = [
    path("api/schema", SchemaView.as_view(), name="schema"),
    path("api/docs/", SwaggerPage.as_view(), name="api-docs"),
    path("api/docs/redoc/", RedocPage.as_view(), name="api-redoc"),
]
