"""Lakes: the processed zone as open tables."""
