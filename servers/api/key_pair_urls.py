"""Routes of the key pairs API, without their prefix."""

from django.urls import path

urlpatterns = []
