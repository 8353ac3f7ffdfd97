"""Biases of image-text data, the weights that remove them, and what CLIP makes of it."""

__version__ = "0.2.0"
