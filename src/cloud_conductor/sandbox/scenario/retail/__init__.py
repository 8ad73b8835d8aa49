"""A seeded chain of stores with every flow of trade, and the exact truth of each store-day."""
