"""One run: from an experiment and a dataset to a record."""
