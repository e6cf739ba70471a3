"""One look per row of the tables, the same in every figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.configs.schema import Config

_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine has it
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.6,
    "lines.markeredgewidth": 0.4,
}


@contextmanager
def typography(salt: str) -> Iterator[None]:
    """The style of all figures, whatever the user's own settings; ids in SVG hang on `salt`."""
    import matplotlib

    defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"}
    with matplotlib.rc_context({**defaults, **_STYLE, "svg.hashsalt": salt}):
        yield


Dash = str | tuple[int, tuple[float, ...]]

# Four dashes and thirteen markers have no common factor: 52 rows differ without any colour.
DASHES: tuple[Dash, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
MARKERS = "o^sDvXP<>p*dH"
PALE = 0.6  # relative luminance from which a colour needs an outline on white paper


@dataclass(frozen=True)
class Look:
    """How a row is drawn; `order` is its place in the tables and the legends."""

    order: int
    colour: str
    dash: Dash
    marker: str

    @property
    def pale(self) -> bool:
        """True for a colour that is hard to see on white."""
        return luminance(self.colour) > PALE


def looks(config: Config) -> dict[str, Look]:
    """The look of every label: the rows of the paper's tables in order, then the other methods.

    Colours are those of `methods.yaml`; dash and marker follow from the order.
    """
    papers = [suite for suite in config.suites.values() if suite.source == "paper"]
    methods = {row.label: row.method for suite in papers for row in suite.rows}
    methods |= {m.label: name for name, m in config.methods.items() if m.label not in methods}
    return {
        label: Look(
            i, config.methods[name].colour, DASHES[i % len(DASHES)], MARKERS[i % len(MARKERS)]
        )
        for i, (label, name) in enumerate(methods.items())
    }


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` in [0, 1], as WCAG 2 defines it: what is left in grey."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
