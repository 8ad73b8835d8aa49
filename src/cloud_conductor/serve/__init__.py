"""Long-running shells: the intake gateway and the supervisor of roles."""
