"""The report as a static site: a folder that can be hosted as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from pathlib import Path

from benchmarks.plan.workspace import ROOT
from benchmarks.records.files import write_bytes
from benchmarks.report.page.validation import Evidence, validation_html
from benchmarks.report.page.write import Contents, page_html

INDEX, VALIDATION, TEMPLATE = "index.html", "validation.html", "discrepancy.md"
NO_JEKYLL = ".nojekyll"  # GitHub Pages then serves the files as they are
LISTING = "site-files.txt"  # what the site consists of: these files a later call may replace
DISCREPANCY = ROOT / ".github" / "ISSUE_TEMPLATE" / TEMPLATE


def check_site(folder: Path) -> None:
    """Raises ValueError if the pages of a site would overwrite files that are not a site's."""
    _refuse_others(folder, (INDEX, VALIDATION, TEMPLATE, LISTING))


def write_site(contents: Contents, results: Path, folder: Path) -> list[Path]:
    """Writes the site of a report into `folder` and returns its files.

    It holds the report as `index.html`, `validation.html`, and copies of the files of the folder
    `results` to which the report links. The same contents give the same bytes. Files of an
    earlier site that are no longer part of it are removed. ValueError, and nothing written, if
    another file is in the way.
    """
    index = page_html(contents, validation=VALIDATION)
    linked = re.findall(r'href="((?:tables|figures)/[^"]+)"', index)
    linked += [f"runs/{record.run_id}.json" for record in contents.records]
    files = {
        INDEX: index.encode(),
        VALIDATION: validation_html(Evidence(contents.config.methods), INDEX, TEMPLATE).encode(),
        TEMPLATE: DISCREPANCY.read_bytes(),
        NO_JEKYLL: b"",
    }
    files |= {name: (results / name).read_bytes() for name in sorted(set(map(unescape, linked)))}
    files[LISTING] = "".join(f"{name}\n" for name in sorted([*files, LISTING])).encode()
    same = {n for n, content in files.items() if _holds(folder / n, content)}
    _refuse_others(folder, files.keys() - same)
    for name in _listed(folder) - files.keys():
        (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        write_bytes(folder / name, content)
    return [folder / name for name in files]


def _refuse_others(folder: Path, names: Iterable[str]) -> None:
    """ValueError if one of these files is there and no earlier site has made it."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--site {folder} is a file; give a folder")
    listed = _listed(folder)
    others = sorted(name for name in names if (folder / name).exists() and name not in listed)
    if others:
        shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if others[5:] else "")
        raise ValueError(
            f"--site {folder} would overwrite files that no earlier site has made: {shown}; "
            "give another folder, or move them away"
        )


def _listed(folder: Path) -> set[str]:
    """The files of the site that is there; only names that stay within the folder."""
    try:
        names = (folder / LISTING).read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    inside = folder.resolve()
    return {name for name in names if (folder / name).resolve().is_relative_to(inside) and name}


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content
