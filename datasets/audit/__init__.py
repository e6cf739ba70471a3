"""Checks for leaks between splits, shared by all datasets."""
