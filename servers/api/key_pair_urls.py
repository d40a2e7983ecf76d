"""Routes of the key pairs API, without their prefix."""

from django.urls import path

from servers.api import key_pairs

urlpatterns = [
    path("os-keypairs", key_pairs.KeyPairsView.as_view()),
    path("os-keypairs/<str:name>", key_pairs.KeyPairView.as_view()),
]
