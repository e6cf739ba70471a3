"""The tables: from runs to cells, verdicts and files."""
