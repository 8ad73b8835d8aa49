"""Channels that others are told through (ports.queue.Queue)."""
