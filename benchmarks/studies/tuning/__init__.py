"""Choosing a hyperparameter for each method on validation data."""
