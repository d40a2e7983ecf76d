"""The wire API of networks."""
