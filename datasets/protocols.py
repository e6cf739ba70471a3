"""The names of the ways to split a dataset; free of numpy."""

PROTOCOLS = ("validation", "published")
"""`validation`: epochs are chosen on samples that are neither trained nor tested on. `published`:
as the released code of this line of work does it, on the test samples themselves."""

THREE_PARTS = {
    "validation": {"train": "train", "val": "val", "test": "test"},
    "published": {"train": "train", "val": "val", "test": "val"},
}
"""Protocol -> split -> official part, of datasets with three parts (UR-Funny, AVE): there the
published code reports what it measures on the validation part (AGM_ICCV2023@5a65542,
run/AVE_main.py:201, tasks/URFunny_task.py:14-19)."""
