"""`list` shows the paper's rows first and keeps extensions and controls apart."""

from __future__ import annotations

from benchmarks.__main__ import main
from benchmarks.configs.load import load_config


def sections(text):
    """{title: names} of what `list` prints."""
    found, title = {}, ""
    for line in text.splitlines():
        if line.startswith("  "):
            found[title].append(line.split()[0])
        else:
            title = line
            found[title] = []
    return found


def test_rows_of_the_tables_come_first_in_the_papers_order(capsys):
    assert main(["list"]) == 0
    found = sections(capsys.readouterr().out)
    assert list(found)[:3] == ["methods", "extensions", "controls"]
    config = load_config()
    rows = [row.method for row in config.suites["table1"].rows if row.method in config.methods]
    assert found["methods"] == list(dict.fromkeys(rows))


def test_every_method_is_listed_once_in_its_group(capsys):
    main(["list"])
    found = sections(capsys.readouterr().out)
    for name, method in load_config().methods.items():
        title = {"table": "methods", "extension": "extensions", "control": "controls"}[method.group]
        assert found[title].count(name) == 1
    assert {"masam", "monge_sam", "asam", "wsam"} <= set(found["extensions"])
    assert {"sam_scaled", "msam_random"} <= set(found["controls"])
