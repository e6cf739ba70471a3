from __future__ import annotations

COMPONENTS = 4
SPREADS = {f"scrambled_{percent}": percent / 100 for percent in (1, 2, 3, 10, 20)}
