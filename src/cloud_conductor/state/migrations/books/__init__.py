"""Revisions of the database `books`, oldest first by their numbers."""
