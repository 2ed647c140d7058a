"""Paperlab: the small JAX library behind a book of machine-learning papers that run."""
