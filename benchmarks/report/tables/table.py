"""A table of the paper, filled: what all its renderings share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from benchmarks.configs.schema import Config
from benchmarks.report.tables.contrast import Contrast, Ranks
from benchmarks.report.tables.entry import Entry
from benchmarks.report.tables.paper import column_name, metrics


@dataclass(frozen=True)
class Table:
    """The judged entries of one suite; rows and columns are in the paper's order.

    `judged` holds the entries under every selection rule; the table shows those of `selection`.
    `contrasts` holds the paired tests of the references against the other rows, and `ranks` the
    order of the rows of every column.
    """

    name: str
    config: Config
    profile_name: str
    selection: str
    judged: Mapping[str, Sequence[Entry]]
    contrasts: Sequence[Contrast] = ()
    ranks: Sequence[Ranks] = ()

    @property
    def entries(self) -> Sequence[Entry]:
        """The entries under the table's rule."""
        return self.judged[self.selection]

    def under(self, rule: str) -> Table:
        """The table under another selection rule, for which nothing was tested."""
        return replace(self, selection=rule, contrasts=(), ranks=())

    def only(self, wanted: Callable[[Entry], bool]) -> Table:
        """The table with the wanted entries only."""
        judged = {rule: [e for e in entries if wanted(e)] for rule, entries in self.judged.items()}
        columns = {e.column for e in judged[self.selection]}
        ranks = [each for each in self.ranks if each.column in columns]
        tests = [each for each in self.contrasts if wanted(each.second)]
        return replace(self, judged=judged, contrasts=tests, ranks=ranks)

    @property
    def title(self) -> str:
        """What the table is about."""
        return self.config.suites[self.name].title

    @property
    def printed(self) -> bool:
        """True for a table of the paper; our own tables have no numbers to stand beside."""
        return self.config.suites[self.name].source == "paper"

    @property
    def all_rows(self) -> list[str]:
        """The labels of the paper's rows."""
        return [row.label for row in self.config.suites[self.name].rows]

    @property
    def all_columns(self) -> list[str]:
        """The names of the paper's columns."""
        return [column for dataset in self.config.datasets for column in self.columns(dataset)]

    def columns(self, dataset: str) -> list[str]:
        """The names of a dataset's columns."""
        return [column_name(dataset, m) for m in metrics(self.config.datasets[dataset])]

    @property
    def datasets(self) -> list[str]:
        """The datasets that have an entry."""
        present = {e.cell.dataset for e in self.entries}
        return [dataset for dataset in self.config.datasets if dataset in present]

    def rows(self, dataset: str | None = None) -> list[str]:
        """The labels of the rows that have an entry, for this dataset or for any."""
        present = {e.row for e in self.entries if dataset in (None, e.cell.dataset)}
        return [row for row in self.all_rows if row in present]

    def at(self, row: str, column: str) -> Entry | None:
        """The entry at a place; None where the table has no such cell."""
        return self._places.get((row, column))

    def rank(self, row: str, column: str) -> int | None:
        """1 plus the number of rows that are significantly better; None for an unranked row."""
        return self._ranks.get((row, column))

    @property
    def ranked(self) -> bool:
        """True if some column has ranks."""
        return bool(self._ranks)

    def tied(self, row: str, column: str) -> bool:
        """True for a row of rank 1 with a lower mean than another: a tie with the best."""
        if self.rank(row, column) != 1:
            return False
        (first,) = (
            each.ranking.first
            for each in self.ranks
            if each.column == column and row in each.ranking.ranks
        )
        # A row of the same rank may be hidden.
        means = {each: found.mean for each in first if (found := self.at(each, column))}
        return means[row] < max(means.values()) - 1e-9  # equal means differ by rounding

    def rank_sentences(self) -> list[str]:
        """What each column says of the order of its rows, or why nothing."""
        said: dict[str, list[str]] = defaultdict(list)
        for ranks in self.ranks:
            text = f"no ranks: {ranks.reason}." if ranks.reason else ranks.ranking.sentence
            if ranks.unranked and not ranks.reason:
                text += f" Not ranked: {', '.join(ranks.unranked)}."
            which = [f"{ranks.label_noise} % wrong labels"] * self._several_noises
            which += [f"{ranks.fusion} fusion"] * self._several_fusions
            said[text].append(ranks.column + (f" ({', '.join(which)})" if which else ""))
        return [f"{', '.join(columns)}: {text}" for text, columns in said.items()]

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {(r, each.column): n for each in self.ranks for r, n in each.ranking.ranks.items()}

    @property
    def contest(self) -> str:
        """Which rows compete: `its column`, and what else they must share if rows differ in it."""
        shared = ["with as many wrong labels"] * self._several_noises
        shared += ["of the same fusion"] * self._several_fusions
        return "its column" + (f" among rows {' and '.join(shared)}" if shared else "")

    @property
    def _several_noises(self) -> bool:
        return len({e.contest[0] for e in self.entries}) > 1

    @property
    def _several_fusions(self) -> bool:
        return len({e.contest[1] for e in self.entries}) > 1

    @cached_property
    def footnotes(self) -> dict[str, int]:
        """The number of every reason, in order of appearance, dataset by dataset."""
        ordered = (e for d in self.datasets for e in self.entries if e.cell.dataset == d)
        reasons = dict.fromkeys(e.reason for e in ordered if e.reason)
        return {reason: number for number, reason in enumerate(reasons, 1)}

    @property
    def departures(self) -> list[str]:
        """Where the training on real data was not the paper's."""
        real = [e for e in self.entries if e.measured and not e.stand_in]
        return list(dict.fromkeys(text for e in real for text in e.departures))

    @cached_property
    def against_subject(self) -> dict[tuple[str, str], Contrast]:
        """The tests of the paper's method, each under the (row, column) of the other row."""
        return {(c.second.row, c.second.column): c for c in self.contrasts if c.of_subject}

    @property
    def tested(self) -> bool:
        """True if the paper's method could be tested against some row."""
        return any(not c.reason for c in self.against_subject.values())

    @cached_property
    def stand_in(self) -> list[Entry]:
        """The entries whose numbers come from generated data."""
        return [e for e in self.entries if e.measured and e.stand_in]

    @property
    def partly_stand_in(self) -> bool:
        """True if entries from stand-in data stand beside others and must be marked."""
        return 0 < len(self.stand_in) < sum(e.measured for e in self.entries)

    @cached_property
    def _places(self) -> dict[tuple[str, str], Entry]:
        return {(e.row, e.column): e for e in self.entries}
