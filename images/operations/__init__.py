"""What the images app does in the background: on hosts, and with data that is to come."""
