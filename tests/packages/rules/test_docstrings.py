"""What docstrings say of parameters, in the styles that people write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.packages.rules.signatures import docstrings

GOOGLE = """Does it.

    In two paragraphs.

    Args:
        a: The first.
        b (int, optional): The second,
            over two lines.

            And a paragraph.
        *rest: All others.

    Raises:
        ValueError: Never.

    Returns:
        What came
        of it.
    """
SPHINX = """Does it.

    In two paragraphs.

    :param a: The first.
    :param int b: The second,
        over two lines.
    :type b: int
    :returns: What came
        of it.
    """
NUMPY = """Does it.

    In two paragraphs.

    Parameters
    ----------
    a : int
        The first.
    b, c : str, optional
        The second,
        over two lines.

    Returns
    -------
    dict
        What came
        of it.
    """


@pytest.mark.parametrize("text", [GOOGLE, SPHINX, NUMPY])
def test_every_style_is_read(text):
    found = docstrings.parse(text)

    assert found.summary.startswith("Does it.\n\nIn two paragraphs.")
    assert found.parameters["a"] == "The first."
    assert found.parameters["b"].startswith("The second, over two lines.")
    assert found.returns == "What came of it."


def test_several_names_share_their_words():
    assert docstrings.parse(NUMPY).parameters["c"] == "The second, over two lines."


def test_starred_names_lose_their_stars():
    assert docstrings.parse(GOOGLE).parameters["rest"] == "All others."


@pytest.mark.parametrize("text", [None, "", "   \n  "])
def test_nothing_says_nothing(text):
    assert docstrings.parse(text) == docstrings.Docs()


def test_a_style_that_is_not_known_is_all_summary():
    assert docstrings.parse("Words.\n\nExample: run()\nArgs:\nno entries").summary.startswith("Words.\n\nExample")


def test_what_no_database_takes_is_replaced():
    assert docstrings.parse("a\0b\ud800c").summary == "a\ufffdb\ufffdc"


@given(st.text(st.sampled_from(":-*() \n\tabArgs.param"), max_size=200))
def test_any_text_is_read(text):
    found = docstrings.parse(text)

    assert all(isinstance(words, str) for words in found.parameters.values())
