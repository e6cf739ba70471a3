"""The paper's sentences about its tables, checked against numbers."""
