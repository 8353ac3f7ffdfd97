"""Configurations: plain Python with get_config(), every field commented."""
