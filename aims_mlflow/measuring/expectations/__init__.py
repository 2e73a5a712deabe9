"""Great Expectations: what is asked of data, what it asks about, and the answers in counts."""
