"""Maintenance of hosts: their servers are brought elsewhere by a plan that is shown first."""
