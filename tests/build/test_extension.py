"""What docstrings become before Sphinx reads them."""

import pytest

from bookbinder import extension


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("the share times |mean - outcome|.", r"the share times \|mean - outcome|."),
        ("of $|x|$ and `int | None`", "of :math:`|x|` and `int | None`"),
        ("$$\n |x| + |y|\n$$", "\n.. math::\n\n   |x| + |y|\n"),
    ],
)
def test_bars_are_absolute_values(written, read):
    lines = written.split("\n")
    extension._dollars_to_math(None, "", "", None, None, lines)
    assert "\n".join(lines).rstrip() == read.rstrip()
