"""What to run, and what it means."""
