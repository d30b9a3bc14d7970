"""Signing in, and what people see and change of themselves, as callers send and see it."""

from __future__ import annotations

from rest_framework import serializers

from apps.accounts.models import UserSession
from apps.accounts.rules.passwords import MOST
from apps.core.api.rows import ChangeSerializer
from apps.core.api.serializers import InputSerializer, OutputSerializer


class SignIn(InputSerializer):
    """A name and a password, as JSON or as a form."""

    username = serializers.CharField(max_length=MOST)
    password = serializers.CharField(max_length=MOST, trim_whitespace=False)


class SignedInOut(serializers.Serializer):
    """A session that has begun. Its token is shown this once."""

    access_token = serializers.CharField(help_text="Send it as `Authorization: Bearer bvp_…`.")
    token_type = serializers.CharField(help_text="Always `bearer`.")
    expires_at = serializers.DateTimeField()


class Confirm(InputSerializer):
    password = serializers.CharField(max_length=MOST, trim_whitespace=False)


class ConfirmedOut(serializers.Serializer):
    """Until when what is most sensitive can be done without being asked again."""

    fresh_until = serializers.DateTimeField()


class ChangePassword(InputSerializer):
    current_password = serializers.CharField(max_length=MOST, trim_whitespace=False)
    new_password = serializers.CharField(max_length=MOST, trim_whitespace=False)


class ChangeMe(ChangeSerializer):
    """What you say of yourself; what is left out stays."""

    display_name = serializers.CharField(source="name", max_length=200, allow_blank=True)
    time_zone = serializers.CharField(max_length=64, help_text="Such as `Europe/Paris`.")
    preferences = serializers.JSONField(
        help_text="An object of your programs' own, at most 16 KiB; replaced as a whole."
    )


class RenewedOut(serializers.Serializer):
    """How many other sessions have ended, and the new token of this one if it is by a token."""

    status = serializers.CharField(help_text="Always `ok`.")
    access_token = serializers.CharField(allow_null=True, help_text="The one that signed this request is over.")
    expires_at = serializers.DateTimeField(allow_null=True)


class PictureFile(InputSerializer):
    """What is uploaded: `file`, a PNG or JPEG picture of at most 2 MB."""

    file = serializers.FileField()


class AvatarOut(serializers.Serializer):
    """Where a picture is read; a new picture has a new address."""

    avatar_url = serializers.CharField(allow_null=True)


class UserSessionOut(OutputSerializer):
    """A session of yours, at the admin or over the API."""

    started_at = serializers.DateTimeField(source="created_at")
    last_seen_at = serializers.DateTimeField(source="seen_at")
    is_present = serializers.BooleanField(help_text="Whether this request belongs to it.")

    class Meta:
        model = UserSession
        fields = ["id", "door", "started_at", "last_seen_at", "expires_at", "address", "agent", "is_present"]


class WhoIsIt(serializers.Serializer):
    """A user as existing clients know one."""

    id = serializers.UUIDField()
    username = serializers.CharField()
    email = serializers.CharField()
    is_admin = serializers.BooleanField()
    full_name = serializers.CharField()
    display_name = serializers.CharField()
    status = serializers.CharField(help_text="Always `active`: others cannot ask.")
    locked_until = serializers.DateTimeField(allow_null=True, help_text="Always null, as above.")
    last_login = serializers.DateTimeField(allow_null=True)
    preferences = serializers.JSONField()
    token_version = serializers.IntegerField(help_text="Always 1: here a session ends by itself, not by its number.")
    avatar_url = serializers.CharField(allow_null=True)
    avatar_updated_at = serializers.DateTimeField(allow_null=True)


class NamedRole(serializers.Serializer):
    """A role by its name."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class MayDo(serializers.Serializer):
    """What one may do somewhere, in the words of existing clients."""

    by_artifact = serializers.DictField(child=serializers.DictField(child=serializers.BooleanField()))
    flat = serializers.DictField(child=serializers.BooleanField(), help_text="`jobs:view` and the like.")


class AuthMeOut(serializers.Serializer):
    """Who you are, in the shape that existing clients read. The canonical one is `GET /me`."""

    user = WhoIsIt()
    roles = NamedRole(many=True)
    permissions = MayDo()
    timezone = serializers.CharField()
