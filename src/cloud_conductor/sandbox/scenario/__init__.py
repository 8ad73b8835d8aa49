"""Scenarios: days of trade played into a simulated seller through its API, and their truth."""
