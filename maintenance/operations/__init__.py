"""What maintenance does as durable operations."""
