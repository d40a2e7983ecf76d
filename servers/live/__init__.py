"""Consoles over websocket: what the live process serves."""
