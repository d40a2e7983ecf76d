"""Tests of the volume service."""
