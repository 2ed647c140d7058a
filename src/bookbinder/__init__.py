"""Turns the catalogue and the notebooks into the built book: execution, records, pages."""
