"""Accounting systems, one module each."""
