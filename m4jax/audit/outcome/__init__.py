"""What becomes of the numbers: results, limits, changes, history, what the page shows."""
