"""A model that looks at pictures, and sets as the measures take them. No JAX but in `embedding`."""
