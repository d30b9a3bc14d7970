"""Storing what executions write."""

import gzip
import json
import random
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core import masking, tokens
from apps.core.errors import Invalid, NotAllowed, TooLarge
from apps.jobs import services
from apps.jobs.models import LogChunk
from tests import make
from tests.jobs.reports import finish

pytestmark = pytest.mark.django_db


@pytest.fixture
def execution():
    return make.running_job()


def append(execution, data, offset=None, crc32=None):
    execution.refresh_from_db()
    return services.append_log(
        execution,
        actor=make.acting(execution.robot),
        offset=execution.log_length if offset is None else offset,
        data=data,
        crc32=zlib.crc32(data) if crc32 is None else crc32,
    )


def stored(execution, stream="robot"):
    pieces = LogChunk.objects.filter(execution_id=execution.pk, stream=stream).order_by("offset")
    return b"".join(bytes(piece.data) for piece in pieces)


def line(message, level="INFO"):
    return json.dumps({"t": "2026-01-31T10:00:00Z", "l": level, "m": message}).encode() + b"\n"


def test_pieces_follow_one_another(execution):
    append(execution, line("one"))

    after = append(execution, line("two"))

    assert stored(execution) == line("one") + line("two")
    assert (after.log_length, after.log_lines) == (len(line("one") + line("two")), 2)
    assert after.log_crc32 == zlib.crc32(line("one") + line("two"))


def test_the_same_piece_again_changes_nothing(execution):
    append(execution, line("one"), offset=0)

    after = append(execution, line("one"), offset=0)

    assert after.log_length == len(line("one"))
    assert stored(execution) == line("one")


def test_what_is_new_in_an_overlapping_piece_is_stored(execution):
    append(execution, b"abc")

    append(execution, b"bcdef", offset=1)

    assert stored(execution) == b"abcdef"


def test_bytes_that_come_again_with_another_content_are_refused(execution):
    append(execution, b"abc")

    with pytest.raises(services.LogDiffers):
        append(execution, b"bXd", offset=1)

    assert stored(execution) == b"abc"


def test_a_gap_is_refused_and_says_from_where_to_send(execution):
    append(execution, b"abc")

    with pytest.raises(services.LogGap) as refusal:
        append(execution, b"x", offset=4)

    assert refusal.value.extra == {"offset": 3}


def test_a_wrong_checksum_is_refused(execution):
    with pytest.raises(Invalid) as refusal:
        append(execution, b"abc", crc32=1)

    assert refusal.value.code == "bad_crc"
    assert stored(execution) == b""


def test_beyond_its_limit_a_log_is_cut_and_says_so(execution, settings):
    settings.LOG_LIMIT_BYTES = 5
    append(execution, b"abc")

    after = append(execution, b"defg")

    assert (after.log_truncated, after.log_length, stored(execution)) == (True, 5, b"abcde")


def test_what_follows_the_cut_is_no_gap(execution, settings):
    settings.LOG_LIMIT_BYTES = 5
    append(execution, b"abcdefg")

    after = append(execution, b"hij", offset=7)

    assert (after.log_truncated, after.log_length) == (True, 5)


def test_a_log_of_exactly_its_limit_is_whole(execution, settings):
    settings.LOG_LIMIT_BYTES = 5

    assert append(execution, b"abcde").log_truncated is False


def test_an_empty_piece_changes_nothing(execution):
    assert append(execution, b"").log_length == 0
    assert stored(execution) == b""


def test_a_log_may_come_after_the_result(execution):
    finish(execution, log_length=3, log_crc32=zlib.crc32(b"abc"))

    assert append(execution, b"abc").log_length == 3


def test_the_first_error_is_remembered(execution):
    append(execution, line("one") + line("two"))
    append(execution, line("three") + line("bad", "ERROR") + line("worse", "ERROR"))

    execution.refresh_from_db()
    assert execution.log_first_error == len(line("one") + line("two") + line("three"))


def test_our_tokens_are_masked_and_the_length_stays(execution):
    token = str(tokens.generate("r"))

    after = append(execution, line(f"token {token}!"))

    assert token.encode() not in stored(execution)
    assert len(stored(execution)) == after.log_length == len(line(f"token {token}!"))
    assert after.log_crc32 == zlib.crc32(line(f"token {token}!"))
    assert b"token bvr_" in stored(execution)


@pytest.mark.parametrize("cut", [1, 4, 15, 40, 63])
def test_a_token_across_a_border_is_masked_on_both_sides(execution, cut):
    token = str(tokens.generate("m")).encode()
    append(execution, b"x" * 100 + token[:cut])

    append(execution, token[cut:] + b"y" * 100)

    assert stored(execution) == b"x" * 100 + token[:4] + b"*" * 60 + b"y" * 100


def test_a_masked_piece_may_come_again(execution):
    data = line(f"{tokens.generate('r')}")
    append(execution, data, offset=0)

    assert append(execution, data, offset=0).log_length == len(data)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(0, 30))
def test_however_small_the_pieces_no_token_is_stored(sizes, before):
    execution = make.running_job()
    whole = b"-" * before + str(tokens.generate("u")).encode() + b" " + str(tokens.generate("r")).encode()
    at = 0
    for size in [*sizes, len(whole)]:
        append(execution, whole[at : at + size], offset=at)
        at = min(len(whole), at + size)

    assert stored(execution) == masking.mask_tokens(whole)
    execution.refresh_from_db()
    assert (execution.log_length, execution.log_crc32) == (len(whole), zlib.crc32(whole))


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=200), st.randoms(use_true_random=False))
def test_a_log_sent_in_any_overlapping_pieces_is_the_log(whole, chance):
    execution = make.running_job()
    at = 0
    while at < len(whole):
        offset = chance.randint(max(0, at - 20), at)
        end = chance.randint(at + 1, min(len(whole), at + 50))
        at = append(execution, whole[offset:end], offset=offset).log_length

    assert stored(execution) == whole


def test_only_what_lies_in_a_range_is_read(execution):
    rng = random.Random(7)
    whole = bytes(rng.randrange(97, 122) for _ in range(1000))
    for start in range(0, 1000, 90):
        append(execution, whole[start : start + 90])

    for offset, length in [(0, 10), (85, 20), (90, 90), (500, 1000), (999, 5), (1000, 5)]:
        assert LogChunk.read(execution.pk, "robot", offset, length) == whole[offset : offset + length]


def test_programs_append_whole_lines_beside_it(execution):
    append(execution, b"robot\n")

    after = services.append_lines(
        execution, actor=make.acting(execution.robot), lines=[line("a"), line(f"b {tokens.generate('u')}")]
    )

    assert stored(execution) == b"robot\n"
    assert stored(execution, "api").count(b"*") == 60
    assert after.log_api_length == len(stored(execution, "api"))


def test_programs_cannot_fill_a_log_without_end(execution, settings):
    settings.LOG_LIMIT_BYTES = 10

    with pytest.raises(TooLarge):
        services.append_lines(execution, actor=make.acting(execution.robot), lines=[b"x" * 11])


def test_no_lines_change_nothing(execution):
    services.append_lines(execution, actor=make.acting(execution.robot), lines=[])

    assert stored(execution, "api") == b""


@pytest.mark.parametrize("operation", ["log", "lines"])
def test_only_the_robot_that_holds_it_may_write(execution, operation):
    stranger = make.acting(make.robot(of=execution.tenant))
    calls = {
        "log": lambda: services.append_log(execution, actor=stranger, offset=0, data=b"", crc32=0),
        "lines": lambda: services.append_lines(execution, actor=stranger, lines=[b"x"]),
    }

    with pytest.raises(NotAllowed):
        calls[operation]()


def test_bytes_that_are_no_text_are_stored_as_they_are(execution):
    data = gzip.compress(b"not a line")

    append(execution, data)

    assert stored(execution) == data
