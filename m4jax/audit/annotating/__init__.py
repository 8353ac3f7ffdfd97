"""Examples annotated by captions, pictures and columns, and a sample of it checked by hand."""
