"""What a password must be beside long and uncommon; in the form in which Django calls its validators."""

from __future__ import annotations

import re
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError

#: Characters of the passwords of those who may do everything.
FEWEST_FOR_ADMINISTRATORS: Final = 15
#: More than anybody types, and little enough to hash.
MOST: Final = 1000
#: A word about the person may be in a password that has so much beside it.
_ENOUGH_BESIDE: Final = 12
_SHORTEST_WORD: Final = 4
_WORDS: Final = re.compile(r"[^\W_]+")


class LongEnoughForAdministrators:
    """Asks more of those who may do everything."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ``ValidationError`` for a superuser's password that is too short."""
        if len(password) > MOST:
            raise ValidationError(f"A password has at most {MOST} characters.", code="password_too_long")
        if getattr(user, "is_superuser", False) and len(password) < FEWEST_FOR_ADMINISTRATORS:
            raise ValidationError(
                f"The password of a superuser has at least {FEWEST_FOR_ADMINISTRATORS} characters.",
                code="password_too_short",
            )

    def get_help_text(self) -> str:
        """Return what it asks for, in words."""
        return f"A superuser's password has at least {FEWEST_FOR_ADMINISTRATORS} characters."


class NotMadeOfTheirNames:
    """Refuses passwords that are little more than the name of the person, of their e-mail, or of this installation."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ``ValidationError`` for a password that is too little beside such a word."""
        lower = password.lower()
        for word in sorted(_words_about(user)):
            if word in lower and len(lower.replace(word, "")) < _ENOUGH_BESIDE:
                raise ValidationError(
                    "The password is little more than a name that others know, such as yours or that of this system.",
                    code="password_of_names",
                )

    def get_help_text(self) -> str:
        """Return what it asks for, in words."""
        return "The password is not made of your names, nor of that of this system."


def _words_about(user: Any) -> set[str]:
    texts = [str(settings.UNFOLD["SITE_TITLE"]), *settings.ALLOWED_HOSTS]
    texts += [getattr(user, name, "") or "" for name in ("username", "email", "name")]
    whole = {re.sub(r"[\W_]", "", text.lower()) for text in texts}
    return {word for text in texts for word in _WORDS.findall(text.lower()) if len(word) >= _SHORTEST_WORD} | {
        word for word in whole if len(word) >= _SHORTEST_WORD
    }
