"""The parts of the page, one below the other."""
