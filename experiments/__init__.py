"""Commands: each a thin script over the library."""
