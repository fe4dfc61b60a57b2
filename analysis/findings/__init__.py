"""What a sweep says: cells, searches, gains, verdicts and the answer. Everything that is computed from records."""
