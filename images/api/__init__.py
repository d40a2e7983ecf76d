"""The wire API of images."""
