"""Memory of one path whose length is known only when the run is: one float per step, lists, rooms."""
