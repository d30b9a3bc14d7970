"""Talking to the mail server."""

from __future__ import annotations

import smtplib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from apps.configuration.models import Setting
from apps.encryption.models import unseal
from apps.encryption.rules.envelopes import Unopenable
from apps.mail.models import Mail
from apps.mail.rules import Failure, failure_of

#: For each step of the talk.
TIMEOUT_SECONDS: Final = 15


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in, and whose it is."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    use_tls: bool
    use_ssl: bool
    sender: str
    name: str

    def connection(self) -> EmailBackend:
        return EmailBackend(
            host=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            use_tls=self.use_tls,
            use_ssl=self.use_ssl,
            timeout=TIMEOUT_SECONDS,
        )


def server_in_force() -> Server | None:
    """Return what the settings say now, or nothing while mail is off."""
    values = Setting.objects.in_force("email")
    if not values["enabled"]:
        return None
    return Server(
        host=values["smtp_host"],
        port=values["smtp_port"],
        username=values["smtp_username"],
        password=Setting.objects.secret("email", "smtp_password"),
        use_tls=values["smtp_use_tls"],
        use_ssl=values["smtp_use_ssl"],
        sender=values["from_address"],
        name=Setting.objects.in_force("general")["instance_name"],
    )


def send(server: Server, mail: Mail) -> Failure | None:
    """Hand a mail to the server, outside any transaction; returns why it was not taken, or nothing."""
    try:
        message = _message(server, mail)
    except Unopenable:
        return Failure("Its text cannot be opened any more: the key that sealed it is gone.", is_final=True)
    connection = server.connection()
    try:
        connection.open()
        connection.send_messages([message])
    except (smtplib.SMTPException, OSError) as error:
        return failure_of(error)
    except ValueError:  # Django's and the library's own refusals of addresses and headers.
        return Failure("Its address, or the sender's, is none that mail can go to.", is_final=True)
    finally:
        # What was taken stays taken, however the server says goodbye.
        with suppress(smtplib.SMTPException, OSError):
            connection.close()
    return None


def _message(server: Server, mail: Mail) -> EmailMessage:
    domain = server.sender.rpartition("@")[2].rstrip(">") or "localhost"
    facts: dict[str, Any] = {"Message-ID": f"<{mail.pk}@{domain}>", "Auto-Submitted": "auto-generated"}
    text = f"{unseal(mail, 'body').rstrip()}\n\n-- \n{server.name}\n"
    return EmailMessage(mail.subject, text, server.sender, [mail.to], headers=facts)
