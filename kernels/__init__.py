"""How one path evolves: scenario, mechanisms and the engines that run them. Never imports `stress`."""
