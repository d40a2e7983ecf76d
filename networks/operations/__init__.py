"""What the networks app does on hosts by itself."""
