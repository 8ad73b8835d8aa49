"""Secrets by reference, never by value (decision 14)."""
