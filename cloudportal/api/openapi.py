"""How wire views describe themselves in the OpenAPI document."""

from drf_spectacular.openapi import AutoSchema


class WireAutoSchema(AutoSchema):
    """Reads the declarations beside the views."""
