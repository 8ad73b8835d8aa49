"""What the house needs from outside, as Protocols with declared capabilities."""
