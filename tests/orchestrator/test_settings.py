"""What the settings make of an environment. Each test starts a process of its own, as every role does."""

import base64
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
MASTER_KEY = base64.b64encode(secrets.token_bytes(32)).decode()
GIVEN = {
    "DATABASE_URL": "postgresql://bv:word@db.example/bv",
    "SECRET_KEY": secrets.token_urlsafe(50),
    "MASTER_KEYS": f"first:{MASTER_KEY}",
}
#: What the test run itself says about its servers.
INHERITED = (
    "DATABASE_URL",
    "CELERY_BROKER_URL",
    "SECRET_KEY",
    "MASTER_KEYS",
    "TOKEN_PEPPER",
    "BV_ROLE",
    "PYTEST_VERSION",
)


def settings(*names, data_dir, **environment):
    """Return these settings as a process with this environment has them."""
    code = f"import json; from orchestrator import settings as s; print(json.dumps([{', '.join(names)}], default=str))"
    done = run(code, BV_DATA_DIR=str(data_dir), **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refusal(**environment):
    """Return the last line of what a process says that does not start."""
    done = run("import orchestrator.settings", **environment)
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1].removeprefix("django.core.exceptions.ImproperlyConfigured: ")


def run(code, *, keep=(), **environment):
    inherited = {name: value for name, value in os.environ.items() if name not in INHERITED or name in keep}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=CHECKOUT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def written(folder, text):
    file = folder / "value"
    file.write_text(text)
    return str(file)


def test_a_missing_key_is_refused_by_name():
    assert refusal(DATABASE_URL=GIVEN["DATABASE_URL"]) == (
        "SECRET_KEY is not set. Set SECRET_KEY, or SECRET_KEY_FILE to a file that holds it."
    )


@pytest.mark.parametrize("command", ["web", "live", "worker", "beat", "migrate"])
def test_a_command_that_may_not_start_says_why_in_one_line(command):
    broker = {"CELERY_BROKER_URL": "redis://broker.example:6379/0"}
    environment = {name: value for name, value in os.environ.items() if name not in INHERITED}
    done = subprocess.run(
        [sys.executable, "manage.py", command],
        cwd=CHECKOUT,
        env=environment | broker | {"DATABASE_URL": GIVEN["DATABASE_URL"], "BV_NO_BOOTSTRAP": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "Error: SECRET_KEY is not set. Set SECRET_KEY, or SECRET_KEY_FILE to a file that holds it.\n"


def test_an_empty_key_is_a_missing_one():
    assert refusal(DATABASE_URL=GIVEN["DATABASE_URL"], SECRET_KEY="").startswith("SECRET_KEY is not set.")


@pytest.mark.parametrize("key", ["changeme", "Your-Secret-Key", "django-insecure-" + "x1y2z3" * 10])
def test_a_default_key_is_refused_by_name(key):
    assert refusal(**GIVEN | {"SECRET_KEY": key}) == (
        "SECRET_KEY is a default that everybody knows. "
        "Set SECRET_KEY (or SECRET_KEY_FILE) to 50 or more random characters."
    )


@pytest.mark.parametrize("key", ["short", "x" * 60])
def test_a_key_that_can_be_guessed_is_refused_by_name(key):
    assert refusal(**GIVEN | {"SECRET_KEY": key}).startswith("SECRET_KEY is too short, or too much the same.")


def test_a_weak_pepper_is_refused_by_name():
    assert refusal(**GIVEN, TOKEN_PEPPER="pepper").startswith("TOKEN_PEPPER is too short")


@pytest.mark.parametrize("url", ["sqlite:///db.sqlite3", "mysql://bv@db.example/bv", "db.example"])
def test_another_kind_of_database_is_refused(url):
    assert refusal(**GIVEN | {"DATABASE_URL": url}).startswith("DATABASE_URL must name a PostgreSQL server")


def test_a_number_that_is_none_is_refused_by_name():
    assert refusal(**GIVEN, LEASE_TTL="soon") == "LEASE_TTL cannot be read as int. Correct it, or leave it out."


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    assert refusal(**GIVEN | {"SECRET_KEY_FILE": str(tmp_path / "nothing")}).startswith(
        f"SECRET_KEY_FILE names {tmp_path}/nothing, which cannot be read: "
    )


def test_keys_for_secrets_must_be_given_where_the_database_is():
    facts = {name: value for name, value in GIVEN.items() if name != "MASTER_KEYS"}

    assert refusal(**facts).startswith("MASTER_KEYS is not set.")


def test_our_own_key_for_secrets_is_made_once_and_kept(tmp_path):
    first, again = (settings("s.MASTER_KEYS", data_dir=tmp_path) for _ in range(2))

    assert first == again
    assert first[0][0].startswith("embedded:")
    assert (tmp_path / "master_key").stat().st_mode & 0o777 == 0o600


def test_a_key_may_begin_like_a_reference(tmp_path):
    key = "$" + GIVEN["SECRET_KEY"]

    assert settings("s.SECRET_KEY", data_dir=tmp_path, **GIVEN | {"SECRET_KEY": key}) == [key]


def test_secrets_may_lie_in_files_that_end_with_a_line(tmp_path):
    key, url = secrets.token_urlsafe(50), "redis://broker.example:6379/0"
    files = {}
    for name, text in {**GIVEN, "SECRET_KEY": key, "CELERY_BROKER_URL": url}.items():
        (tmp_path / name).write_text(f"{text}\n")
        files[f"{name}_FILE"] = str(tmp_path / name)

    found = settings(
        "s.SECRET_KEY", "s.CELERY_BROKER_URL", "s.DATABASES['default']", "s.IS_EMBEDDED", data_dir=tmp_path, **files
    )

    database = found[2]
    assert found[:2] == [key, url]
    assert (database["HOST"], database["NAME"], database["PASSWORD"]) == ("db.example", "bv", "word")
    assert found[3] is False


def test_without_an_address_the_servers_are_our_own_and_the_key_is_kept(tmp_path):
    names = ("s.IS_EMBEDDED", "s.SECRET_KEY", "s.CELERY_BROKER_URL", "s.ALLOWED_HOSTS")
    first = settings(*names, data_dir=tmp_path)
    second = settings(*names, data_dir=tmp_path, DATABASE_URL="")

    assert first == second
    assert first[0] is True
    assert len(first[1]) > 50
    assert first[2].startswith("redis+socket:///tmp/bv-")
    assert first[3] == ["localhost", "127.0.0.1", "[::1]"]


def test_a_list_may_have_spaces_after_its_commas(tmp_path):
    found = settings("s.ALLOWED_HOSTS", data_dir=tmp_path, **GIVEN, ALLOWED_HOSTS="a.example, b.example,")

    assert found == [["a.example", "b.example"]]


def test_outside_the_embedded_default_no_host_is_allowed_unasked(tmp_path):
    assert settings("s.ALLOWED_HOSTS", data_dir=tmp_path, **GIVEN) == [[]]


def test_cookies_are_for_https_alone_where_there_is_https(tmp_path):
    names = ("s.SESSION_COOKIE_SECURE", "s.CSRF_COOKIE_SECURE", "s.SECURE_HSTS_SECONDS > 0")

    assert settings(*names, data_dir=tmp_path, **GIVEN, HTTPS="true") == [True, True, True]
    assert settings(*names, data_dir=tmp_path, **GIVEN) == [False, False, False]


SHOW = """
from django.db import connection
with connection.cursor() as cursor:
    for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
        cursor.execute(f"SHOW {name}")
        print(cursor.fetchone()[0])
"""
#: Where the database of this test run is.
SERVERS = ("DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY")


def asked(code, role, **environment):
    """Return what a process of a role prints that talks to the database server of this test run."""
    facts = {
        "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
        "BV_ROLE": role,
        "SECRET_KEY": GIVEN["SECRET_KEY"],
        "MASTER_KEYS": GIVEN["MASTER_KEYS"],
    }
    done = run(code, keep=SERVERS, **facts | environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("role", "timeouts"),
    [
        ("web", ["2s", "5s", "10s"]),
        ("worker", ["0", "5min", "5min"]),
        ("beat", ["0", "5min", "5min"]),
        ("command", ["0", "0", "0"]),
    ],
)
def test_the_server_knows_how_long_a_role_may_take(role, timeouts):
    assert asked(SHOW, role) == timeouts


POOL = """
import threading
from django.db import OperationalError, connection
taken, done = threading.Event(), threading.Event()

def hold():
    connection.ensure_connection()
    taken.set()
    done.wait()
    connection.close()

holder = threading.Thread(target=hold)
holder.start()
taken.wait()
try:
    connection.ensure_connection()
except OperationalError as error:
    print("refused")
done.set()
holder.join()
connection.ensure_connection()
print("served")
connection.close()
connection.close_pool()
"""


def test_the_pool_of_a_web_process_has_the_size_and_patience_it_is_given():
    assert asked(POOL, "web", DB_POOL_MIN="0", DB_POOL_MAX="1", DB_POOL_TIMEOUT="0.3") == ["refused", "served"]


@pytest.mark.parametrize("role", ["worker", "beat", "live", "command"])
def test_only_web_has_a_pool(role, tmp_path):
    found = settings("sorted(s.DATABASES['default']['OPTIONS'])", data_dir=tmp_path, **GIVEN, BV_ROLE=role)

    assert found == [["options"]]


def test_options_in_the_address_are_kept_and_come_last(tmp_path):
    url = f"{GIVEN['DATABASE_URL']}?options=-c%20statement_timeout%3D9s"

    (options,) = settings(
        "s.DATABASES['default']['OPTIONS']['options']",
        data_dir=tmp_path,
        **GIVEN | {"DATABASE_URL": url},
        BV_ROLE="web",
    )

    assert options.endswith(" -c statement_timeout=9s")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("LOG_LEVEL", "loud", "LOG_LEVEL is 'loud'; it must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL."),
        ("LOG_FORMAT", "xml", "LOG_FORMAT is 'xml'; it must be one of json, console."),
        ("TRUSTED_PROXIES", "10.0.0.0/8, proxy", "TRUSTED_PROXIES: 'proxy' does not appear to be an IPv4 or IPv6"),
        ("METRICS_ALLOWED_NETWORKS", "all", "METRICS_ALLOWED_NETWORKS: 'all' does not appear to be"),
    ],
)
def test_a_word_that_means_nothing_is_refused_by_name(name, value, words):
    assert refusal(**GIVEN, **{name: value}).startswith(words)


@pytest.mark.parametrize("sizes", [{"DB_POOL_MIN": "20"}, {"DB_POOL_MAX": "0"}, {"DB_POOL_MIN": "-1"}])
def test_a_pool_that_cannot_be_is_refused(sizes):
    assert refusal(**GIVEN, BV_ROLE="web", **sizes).startswith("DB_POOL_MAX must be at least 1")


def test_a_level_may_be_written_in_small_letters(tmp_path):
    assert settings("s.LOG_LEVEL", data_dir=tmp_path, **GIVEN, LOG_LEVEL="warning") == ["WARNING"]


def test_static_files_are_served_as_they_lie_until_a_folder_for_them_is_named(tmp_path):
    names = ("s.STATIC_ROOT", "s.STORAGES['staticfiles']['BACKEND'].rpartition('.')[2]")

    assert settings(*names, data_dir=tmp_path, **GIVEN) == [None, "StaticFilesStorage"]
    assert settings(*names, data_dir=tmp_path, **GIVEN, STATIC_ROOT="/srv/static") == [
        "/srv/static",
        "CompressedManifestStaticFilesStorage",
    ]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"ALLOWED_HOSTS": "bv.example,*"}, "ALLOWED_HOSTS holds '*', which is no name of a host."),
        (
            {"ALLOWED_HOSTS": "https://bv.example"},
            "ALLOWED_HOSTS holds 'https://bv.example', which is no name of a host.",
        ),
        ({"TRUSTED_PROXIES": "10.0.0.0/8,0.0.0.0/0"}, "TRUSTED_PROXIES holds every address there is."),
        ({"CORS_ALLOWED_ORIGINS": "*"}, "CORS_ALLOWED_ORIGINS holds '*'. Write origins such as"),
        ({"CORS_ALLOWED_ORIGINS": "https://a.example/x"}, "CORS_ALLOWED_ORIGINS holds 'https://a.example/x'."),
        ({"SECRET_KEY_FALLBACKS": "changeme"}, "SECRET_KEY_FALLBACKS is a default that everybody knows."),
        ({"TOKEN_PEPPER_FALLBACKS": "short"}, "TOKEN_PEPPER_FALLBACKS is too short"),
        ({"HTTPS": "true", "DEBUG": "true"}, "DEBUG shows internals to everybody"),
        ({"SECURITY_CONTACT": "us"}, "SECURITY_CONTACT is 'us'; write mailto:"),
    ],
)
def test_h1_what_would_not_be_safe_is_refused_by_name(setting, words):
    assert refusal(**GIVEN, **setting).startswith(words)


def test_f7_cookies_are_bound_to_this_host_where_there_is_https(tmp_path):
    names = ("s.SESSION_COOKIE_NAME", "s.CSRF_COOKIE_NAME", "s.SESSION_COOKIE_SAMESITE", "s.CSRF_COOKIE_HTTPONLY")

    assert settings(*names, data_dir=tmp_path, **GIVEN, HTTPS="true") == [
        "__Host-bv_session",
        "__Host-bv_csrf",
        "Lax",
        True,
    ]
    assert settings(*names[:2], data_dir=tmp_path, **GIVEN) == ["bv_session", "bv_csrf"]


def test_the_frameworks_own_checks_have_nothing_to_say_of_an_installation(tmp_path):
    check = "call_command('check', deploy=True, fail_level='WARNING')"
    code = f"import django; django.setup(); from django.core.management import call_command; {check}"
    ours = {
        "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
        "BV_DATA_DIR": str(tmp_path),
        "ALLOWED_HOSTS": "bv.example",
    }

    done = run(code, **GIVEN, **ours, HTTPS="true", TRUSTED_PROXIES="10.0.0.0/8")

    assert (done.returncode, done.stderr) == (0, "")
