"""Studies beside the tables."""
