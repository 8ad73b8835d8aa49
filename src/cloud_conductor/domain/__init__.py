"""Nouns and laws of retail money. Pure: standard library, msgspec and pyarrow only."""
