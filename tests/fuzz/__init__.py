"""Damaged input of every kind: a value or one clear error, never anything else."""
