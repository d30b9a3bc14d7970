"""When mail is tried again, and what is said of what went wrong."""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from apps.core.masking import mask_tokens_in_text

LONGEST_ERROR: Final = 300
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a mail did not leave. ``is_final``: trying again would not help. ``is_of_server``: no other would leave."""

    text: str
    is_final: bool = False
    is_of_server: bool = False


def wait_after(attempts: int) -> timedelta:
    """Return how long a mail waits after so many tries."""
    doublings = min(max(attempts, 1) - 1, 10)
    return min(FIRST_WAIT * int(2**doublings), LONGEST_WAIT)


def failure_of(error: Exception) -> Failure:
    """Say why a mail did not leave, in words that hold nothing of its text and no password.

    What a server says about a message may quote it, and what it says about a sign-in may quote that.
    """
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Failure(f"The mail server refused the user or the password ({error.smtp_code}).", is_of_server=True)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, said = next(iter(error.recipients.values()), (0, b""))
        return Failure(_told("The mail server refused the recipient", code, said), is_final=_is_final(code))
    if isinstance(error, smtplib.SMTPSenderRefused):
        return Failure(
            _told("The mail server refused the sender", error.smtp_code, error.smtp_error), is_of_server=True
        )
    if isinstance(error, smtplib.SMTPDataError):
        return Failure(f"The mail server refused the message ({error.smtp_code}).", is_final=_is_final(error.smtp_code))
    if isinstance(error, ssl.SSLError):
        return Failure(f"No encrypted connection: {error.reason or type(error).__name__}.", is_of_server=True)
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return Failure("The mail server did not answer in time.", is_of_server=True)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Failure("The mail server does not offer TLS or signing in, as the settings ask.", is_of_server=True)
    if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
        return Failure(
            f"The mail server cannot be reached: {error.strerror or type(error).__name__}.", is_of_server=True
        )
    return Failure(f"The mail server broke off ({type(error).__name__}).", is_of_server=True)


def _is_final(code: int) -> bool:
    return 500 <= code < 600


def _told(what: str, code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    text = re.sub(r"[^\x20-\x7e]+", " ", mask_tokens_in_text(text))
    return f"{what} ({code}): {text}"[:LONGEST_ERROR]
