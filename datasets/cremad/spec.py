from __future__ import annotations

LABELS = ("NEU", "HAP", "SAD", "FEA", "DIS", "ANG")

FRONT_ENDS = {"257x299": (1, 257, 299), "257x188": (1, 257, 188)}
