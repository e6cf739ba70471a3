"""Harness, models, configs, sweep and report of the suite."""
