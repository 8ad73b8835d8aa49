"""Conformance suites of every port: subclass one, give it the fixture it names, run pytest."""
