"""Limits and usage: what projects may take, what they hold, and the one way to take more."""
