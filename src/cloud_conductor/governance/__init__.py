"""Who may see and do what, and who is told when something is wrong."""
