"""What people ask of a model or of embeddings, each number with its interval, n and version."""
