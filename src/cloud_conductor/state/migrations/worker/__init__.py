"""Revisions of the database `worker`, oldest first by their numbers."""
