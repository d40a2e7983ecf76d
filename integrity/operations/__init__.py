"""What integrity does by durable operations."""
