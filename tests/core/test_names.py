import pytest

from apps.core.names import clean_name


@pytest.mark.parametrize(
    ("typed", "name"), [("  invoices ", "invoices"), ("Cafe\u0301", "Caf\u00e9"), ("日本 🙂", "日本 🙂"), ("", "")]
)
def test_a_name_has_one_spelling(typed, name):
    assert clean_name(typed) == name


@pytest.mark.parametrize("letter", ["\x00", "\n", "\x7f", "\u200b", "\u202e", "\ud800", "\ue000", "\u2029", "\uffff"])
def test_a_letter_nobody_sees_is_named(letter):
    with pytest.raises(ValueError, match=f"U\\+{ord(letter):04X}"):
        clean_name(f"a{letter}b")
