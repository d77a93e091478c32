"""Held against history: events as data, what the engine predicts of them, and how far it is off."""
