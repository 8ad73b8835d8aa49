"""The outside world, one vendor a module, behind the Protocols of `ports`."""
