"""How often the verdicts are wrong: simulated records with a known truth."""
