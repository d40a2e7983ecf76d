"""Tests of a whole portal and its database: outages, backups, more than one machine."""
