"""What people say of themselves, and what a password must be."""

import io
import struct
import zlib

import pytest
from django.contrib.auth.hashers import get_hasher
from django.contrib.auth.password_validation import CommonPasswordValidator
from PIL import Image

from apps.accounts import services
from apps.accounts.models import Avatar
from apps.core.errors import Invalid
from tests import api, make

pytestmark = pytest.mark.django_db


def picture(kind="PNG", size=(300, 200), **options):
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, kind, **options)
    file.seek(0)
    file.name = f"me.{kind.lower()}"
    return file


def named(data):
    file = io.BytesIO(data)
    file.name = "me.png"
    return file


def bomb():
    """A small file that says it is a picture of 60,000 by 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10_000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def test_one_changes_one_s_profile_within_bounds():
    me = api.root()

    answer = me.call(
        "PUT", "me", {"display_name": "Ada", "time_zone": "Europe/Paris", "preferences": {"theme": "dark"}}
    )
    partly = me.call("PUT", "me", {"display_name": "Ada L."})

    assert answer.status_code == 200, answer.content
    told = partly.json()
    assert (told["display_name"], told["time_zone"], told["preferences"]) == (
        "Ada L.",
        "Europe/Paris",
        {"theme": "dark"},
    )
    assert api.fields_refused(me.call("PUT", "me", {"preferences": [1]})) == {"preferences"}
    assert api.fields_refused(me.call("PUT", "me", {"preferences": {"x": "y" * 17_000}})) == {"preferences"}
    assert api.fields_refused(me.call("PUT", "me", {"time_zone": "Mars"})) == {"time_zone"}
    assert api.fields_refused(me.call("PUT", "me", {"is_superuser": True})) == {"is_superuser"}
    wire = me.get("auth/me").json()
    assert (wire["user"]["display_name"], wire["timezone"]) == ("Ada L.", "Europe/Paris")
    assert wire["permissions"]["flat"]["jobs:edit"] is True


def test_d34_a_picture_is_drawn_anew_and_only_for_who_may_see_the_person():
    me, stranger = api.root(), api.Caller(make.user())
    holding_more = picture("JPEG", exif=b"Exif\x00\x00<script>alert(1)</script>")

    address = me.upload(holding_more, "me/avatar").json()["avatar_url"]
    answer = me.client.get(address)

    assert address.startswith("/api/v1/me/avatar/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert b"script" not in answer.content
    with Image.open(io.BytesIO(answer.content)) as drawn:
        assert (drawn.format, drawn.size) == ("PNG", (192, 192))
    assert stranger.client.get(address).status_code == 404
    again = me.upload(picture(), "me/avatar").json()["avatar_url"]
    assert again != address
    assert me.client.get(address).status_code == 404
    assert me.get("me").json()["avatar_url"] == again
    assert (me.delete("me/avatar").status_code, me.delete("me/avatar").status_code) == (204, 204)
    assert not Avatar.objects.exists()


BAD = {
    "svg": named(b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
    "gif": picture("GIF"),
    "bomb": named(bomb()),
    "cut off": named(picture("JPEG", (2000, 2000)).getvalue()[:2000]),
    "nothing": named(b"x"),
    "too large": named(picture().getvalue() + bytes(2 * 1024 * 1024)),
}


@pytest.mark.parametrize("name", BAD)
def test_d34_what_is_no_fit_picture_is_refused(name):
    BAD[name].seek(0)

    assert api.fields_refused(api.root().upload(BAD[name], "me/avatar")) == {"file"}
    assert not Avatar.objects.exists()


@pytest.mark.parametrize(
    ("facts", "password"),
    [
        ({}, "short"),
        ({}, "password1234"),
        ({}, "ada.lovelace1815"),
        ({}, "lovelace-2026"),
        ({}, "Orchestrator1"),
        ({}, "engines!engines"),
        ({"is_superuser": True}, "fourteen chars"),
    ],
)
def test_a_password_that_could_be_guessed_is_refused(system, facts, password):
    about = {"email": "ada.lovelace@engines.example", "name": "Ada Lovelace"}

    with pytest.raises(Invalid) as refusal:
        services.create_user("ada", actor=system, password=password, **about, **facts)

    assert {problem.field for problem in refusal.value.problems} == {"password"}


def test_passwords_may_be_long_and_are_kept_by_a_slow_hash(system):
    long = "ten words " * 60
    user = services.create_user("ada", actor=system, password=long)
    hasher = get_hasher()

    assert user.check_password(long)
    assert not user.check_password(long[:-1])
    assert (hasher.algorithm, hasher.memory_cost >= 46 * 1024, hasher.time_cost >= 1) == ("argon2", True, True)
    assert len(CommonPasswordValidator().passwords) >= 10_000
    with pytest.raises(Invalid, match="at most"):
        services.create_user("ben", actor=system, password="ab " * 400)
