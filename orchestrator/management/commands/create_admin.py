"""``manage.py create_admin``: a first administrator."""

from __future__ import annotations

import getpass
import os
import secrets
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import services
from apps.accounts.models import User
from apps.core.actors import Actor
from orchestrator.management.commands._refusals import refusals_told


class Command(BaseCommand):
    help = (
        "Make an administrator who may do everything everywhere. The password is asked for, read from the "
        "environment variable BV_ADMIN_PASSWORD, or made up and shown once with --generate."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", default="admin")
        parser.add_argument("--email", default="")
        parser.add_argument("--generate", action="store_true", help="make up a password and print it")
        parser.add_argument(
            "--if-none", action="store_true", help="do nothing where this administrator is there already"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["if_none"] and self._is_there(options["username"]):
            return
        password = self._password(generate=options["generate"])
        with refusals_told():
            user = services.create_user(
                options["username"],
                actor=Actor.system("create_admin"),
                password=password,
                email=options["email"],
                is_superuser=True,
            )
        self.stdout.write(f"Made the administrator {user.username}.")
        if options["generate"]:
            self.stdout.write(f"Password (shown this once): {password}")

    def _is_there(self, username: str) -> bool:
        user = User.objects.filter(username__iexact=username.strip()).first()
        if user is not None and not (user.is_superuser and user.is_active):
            raise CommandError(f"There is a user {user.username}, but no active administrator. Choose another name.")
        return user is not None

    def _password(self, *, generate: bool) -> str:
        if generate:
            return secrets.token_urlsafe(15)
        if given := os.environ.get("BV_ADMIN_PASSWORD"):
            return given
        if not sys.stdin.isatty():
            raise CommandError("There is nobody to ask for a password. Set BV_ADMIN_PASSWORD, or use --generate.")
        password = getpass.getpass("Password: ")
        if password != getpass.getpass("Again: "):
            raise CommandError("The two passwords differ.")
        return password
