"""Registers the images app."""

from django.apps import AppConfig


class ImagesConfig(AppConfig):
    """The images app."""

    name = "images"
