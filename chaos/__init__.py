"""Tenants at work on a whole cloud while its parts are killed, cut off, frozen and filled."""
