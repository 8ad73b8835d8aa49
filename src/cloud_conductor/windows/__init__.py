"""Live figures: five-minute windows per store and department, straight from the event log (§22)."""
