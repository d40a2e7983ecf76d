"""Builds the small bootable guest image from the distribution's packages."""
