"""Executors: ways to run a list of experiments."""
