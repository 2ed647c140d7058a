"""What the table of costs counts, and what it marks."""

import nbformat

from bookbinder import times

SOLUTION = "````{solution-start} a-1\n:class: dropdown\n````\n\nfolded words"


def notebook(*cells):
    """Strings are prose, tuples code with its tags."""
    made = nbformat.v4.new_notebook()
    for cell in cells:
        if isinstance(cell, str):
            made.cells.append(nbformat.v4.new_markdown_cell(cell))
        else:
            source, *tags = cell
            made.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": tags}))
    return made


def words(*cells):
    return times.words_in_view(notebook(*cells))


def test_words_are_prose():
    assert words("# A title", "Two *plain* words, well-known - no more.", ("code = 1",)) == 8
    assert words("A [link with text](https://example.org/a_b) and {cite}`key`.") == 6
    assert words("<!-- nothing --><b>bold</b> & more") == 2


def test_code_and_display_formulas_are_no_words():
    assert words("before\n\n```python\nx = 1  # comment\n```\n\nafter") == 2
    assert words("before\n\n$$\na = b + c\n$$\n\nafter $x + y$, end") == 4
    assert words("```{math}\n:label: sum\na = b\n```\nafter") == 1


def test_a_directive_is_its_text():
    assert words("```{exercise} The title\n:label: a-1\n\nShow *this*, with\n\n$$a$$\n```") == 5


def test_what_is_folded_is_not_in_view():
    assert words("before\n\n:::{dropdown} Proof\nlong `x`\n\n```python\ny\n```\n:::\n\nafter") == 2
    assert words("````{dropdown} Proof\nlong\n```{note}\nmore\n```\n````\nafter") == 1
    assert words("before", SOLUTION, ("x",), "more", "````{solution-end}\n````", "after") == 2


def test_lines_in_view():
    shown, solution = ("a = 1\n\nb = 2",), ("c = 3",)
    assert times.lines_in_view(notebook(shown, ("d = 4", "hide-input"), ("e = 5", "other"))) == 3
    folded = notebook(shown, SOLUTION, solution, "````{solution-end}\n````", shown)
    assert times.lines_in_view(folded) == 4


def test_what_is_over_budget_is_marked():
    made = notebook("word " * 2501, ("x = 1\n" * 350,))
    used = {"cpu_seconds": 30.0, "compile_seconds": 12.0, "peak_bytes": 1.4e9}
    made.metadata["paperlab"] = used
    assert times.row("a", made) == ["a", "30.0!", "40%", "1.40", "2,501!", "350"]
    made.metadata["paperlab"] = used | {"cpu_seconds": 45.1, "peak_bytes": 1.6e9}
    assert times.row("a", made)[1:4] == ["45.1!!", "27%", "1.60!"]


def test_marks_do_not_move_numbers():
    row = ["a-long-name", "45.1!!", "27%", "1.60!", "2,501!", "350"]
    lines = times.table([row, [x.rstrip("!") for x in row]]).splitlines()
    assert lines[-2].replace("!", " ").rstrip() == lines[-1].rstrip()
