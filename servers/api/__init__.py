"""The wire API of servers."""
