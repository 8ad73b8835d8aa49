"""Durable execution of batch steps: what runs when, played by one embedded engine."""
