"""The accounting room: facts of a store-day become balanced entries, posted once and reconciled."""
