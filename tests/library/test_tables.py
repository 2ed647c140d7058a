"""Tables: what a row shows, in which order, and what is refused."""

import math
import re

import jax.numpy as jnp
import numpy as np
import pytest
from markdown_it import MarkdownIt

from paperlab import tables


def cells(table):
    """Rows of the rendered table, by a parser of Markdown."""
    html = MarkdownIt("commonmark").enable("table").render(table.markdown)
    rows = html.split("<tr>")[1:]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def test_rows_are_shown_under_the_names_of_the_first():
    table = tables.show([{"loss": "logistic", "steps": 1200}, {"steps": 7, "loss": "hinge"}])
    assert cells(table) == [["loss", "steps"], ["logistic", "1,200"], ["hinge", "7"]]
    assert table._repr_mimebundle_()["text/markdown"] == table.markdown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.123456, "0.123"),
        (-2.0, "−2.00"),
        (0.0, "0"),
        (31.41592, "31.4"),
        (123456.7, "123,457"),
        (1.5e-7, r"$1.50 \times 10^{-7}$"),
        (-2e9, r"$-2.00 \times 10^{9}$"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "not a number"),
        (None, "—"),
        (np.float32(0.5), "0.500"),
        (np.int64(-3), "−3"),
        (jnp.float32(0.25), "0.250"),
        (jnp.int32(40_000), "40,000"),
        (True, "True"),
        (np.True_, "True"),
        ("a | b", "a | b"),
        (r"$|x|$", r"$\vert x\vert $"),
        ("two\nlines", "two lines"),
    ],
)
def test_what_a_value_shows(value, shown):
    assert cells(tables.show([{"value": value}]))[1] == [shown]


def test_columns_of_numbers_are_aligned_to_the_right():
    table = tables.show([{"name": "a", "n": 1, "m": None}, {"name": "b", "n": None, "m": 2.0}])
    assert table.markdown.splitlines()[1] == "| :--- | ---: | ---: |"
    assert tables.show([{"n": 1}, {"n": "many"}]).markdown.splitlines()[1] == "| :--- |"


def test_a_missing_column_is_a_dash():
    assert cells(tables.show([{"a": 1, "b": 2}, {"a": 3}]))[2] == ["3", "—"]


@pytest.mark.parametrize(
    ("rows", "digits", "told"),
    [
        ([], 3, "rows: got none"),
        ([{}], 3, "rows: got none"),
        ([{"a": 1}, {"b": 2}], 3, "unknown column 'b'"),
        ([{"a": 1}], 0, "digits: got 0"),
    ],
)
def test_bad_input_is_named(rows, digits, told):
    with pytest.raises(ValueError, match=told):
        tables.show(rows, digits=digits)
