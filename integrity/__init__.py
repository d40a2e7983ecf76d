"""What the books say against what each host has: differences are found, planned for, repaired."""
