"""The figures of the report, from records only. Free of torch; matplotlib is loaded to draw."""

from benchmarks.report.figures.figure import Figure, Panel
from benchmarks.report.figures.write import Drawn, Figures, make_figures, write_figures

__all__ = ["Drawn", "Figure", "Figures", "Panel", "make_figures", "write_figures"]
