"""What others are told: the financial core of each sale, and entries that reached the ledger."""
