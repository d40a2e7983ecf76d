"""Volumes that outlive servers, their snapshots and attachments, and the volume service's wire."""
