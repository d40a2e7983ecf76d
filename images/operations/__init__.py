"""What the images app does on hosts."""
