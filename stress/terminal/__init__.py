"""What a terminal shows: tables, and that something is alive."""
