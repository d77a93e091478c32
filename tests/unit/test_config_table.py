"""Files of rows: found, identified by what they hold, read column by column, refused line by line."""

import importlib
import types

import numpy as np
import pytest

from stress.config.table import Input, read
from stress.errors import ConfigError


def made(text, file="rows.csv"):
    """A file that holds `text`."""
    content = text if isinstance(text, bytes) else text.encode()
    return Input(file, "0" * 64, content)


def refusal(text, *arguments, file="rows.csv"):
    with pytest.raises(ConfigError) as refused:
        read(made(text, file), *arguments).settle()
    return str(refused.value)


def test_rows_know_their_lines():
    """Remarks and empty lines are passed over, and counted."""
    table = read(made("# made up\nPrice, side\n\n100,long\n# and\n2e2,Short\n"), ["price", "side"])
    assert len(table) == 2
    assert table.lines == [4, 6]
    assert list(table.numbers("price")) == [100, 200]
    assert list(table.choices("side", ["long", "short"])) == [0, 1]
    table.settle()


def test_a_mark_of_bytes_at_the_head_is_no_part_of_a_name():
    assert "price" in read(made(b"\xef\xbb\xbfprice\n1\n"), ["price"])


def test_quotes_hold_commas():
    assert read(made('account\n"a, b"\n'), ["account"]).names("account") == ["a, b"]


@pytest.mark.parametrize("text", ["nan", "inf", "1_000", "$5", "1e400", "0x1f", "٣", "1,5", "--1"])
def test_what_is_no_number(text):
    table = read(made(f'price\n1\n"{text}"\n'), ["price"])
    assert np.array_equal(table.numbers("price"), [1, np.nan], equal_nan=True)
    with pytest.raises(ConfigError, match=r'rows\.csv:3: price: ".*" is not a number'):
        table.settle()


def test_bounds_and_blanks():
    table = read(made("a,b\n0,\n-1,2\n"), ["a", "b"])
    assert np.array_equal(table.numbers("a", least=0), [0, np.nan], equal_nan=True)
    assert np.array_equal(table.numbers("b", above=0, blank=7), [7, 2])
    assert [(p.place.line, p.problem) for p in table.problems] == [(3, "-1 is out of range")]
    table.numbers("b")
    assert table.problems[-1].problem == "is empty"


def test_all_that_is_wrong_is_said_at_once():
    table = read(made("price,side\nx,long\n1,up\n,short\n"), ["price", "side"])
    table.numbers("price")
    table.choices("side", ["long", "short"])
    with pytest.raises(ConfigError) as refused:
        table.settle()
    assert [problem.place.line for problem in refused.value.problems] == [2, 3, 4]
    assert "rows.csv:3: side:" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rows.csv:1: the file is empty (a first row names the columns)"),
        ("price\n", "rows.csv:1: there are no rows"),
        ("price,prise\n1,2\n", 'rows.csv:1: unknown column "prise" (known here: price, note)'),
        ("note\n1\n", 'rows.csv:1: column "price" is missing (needed are price)'),
        ("price,price\n1,2\n", 'rows.csv:1: column "price" is there twice'),
        ("price,note\n1,a\n2\n", "rows.csv:3: the row has 1 cells (the head has 2)"),
        ('price\n"1\n', "rows.csv:2: this is not CSV (unexpected end of data)"),
        (b"price\n1\n\xff\n", "rows.csv:3: this is not text (byte 8 is not UTF-8)"),
    ],
)
def test_what_is_no_table(text, message):
    assert refusal(text, ["price"], ["note"]).startswith(message)


def test_parquet_without_its_reader(monkeypatch):
    monkeypatch.setattr(importlib, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    assert refusal(b"PAR1", ["price"]) == (
        "rows.csv: cannot be read (pyarrow, which reads Parquet, is not installed). "
        "Install pyarrow, or save it as CSV."
    )


def test_parquet_with_its_reader(monkeypatch):
    """A stand-in for pyarrow, with the few names that are used of it."""

    class Column:
        def __init__(self, cells):
            self.to_pylist = lambda: cells

    class Columns:
        column_names = ("price", "side")
        columns = (Column([1.5, None]), Column(["long", "short"]))

    reader = types.SimpleNamespace(read_table=lambda stream: Columns())
    monkeypatch.setattr(importlib, "import_module", lambda name: reader)
    table = read(made(b"PAR1...", "rows.parquet"), ["price", "side"])
    assert np.array_equal(table.numbers("price"), [1.5, np.nan], equal_nan=True)
    with pytest.raises(ConfigError, match=r"rows\.parquet:2: price: is empty"):
        table.settle()
