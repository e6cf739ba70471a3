"""The names of the ways to split a dataset; free of numpy."""

PROTOCOLS = ("validation", "published")
"""`validation`: epochs are chosen on samples that are neither trained nor tested on. `published`:
as the released code of this line of work does it, on the test samples themselves."""
