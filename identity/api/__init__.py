"""The identity API v3."""
