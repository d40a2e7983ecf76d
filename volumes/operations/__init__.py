"""What is done to volumes on hosts, a file an operation."""
