from __future__ import annotations

LONGEST = 50
