"""The libvirt driver: plain dataclasses in, libvirt calls out; knows nothing of the portal."""
