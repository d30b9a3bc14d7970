import pytest

from apps.core.edge.addresses import client_address, is_within, parse_address, parse_networks

OURS = ["10.0.0.0/8", "::1/128"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        pytest.param("203.0.113.1", "", "203.0.113.1", id="nobody in between"),
        pytest.param("203.0.113.1", "1.1.1.1", "203.0.113.1", id="a stranger pretends to forward"),
        pytest.param("10.0.0.1", "203.0.113.1", "203.0.113.1", id="one proxy of ours"),
        pytest.param("10.0.0.1", "203.0.113.1, 10.0.0.2", "203.0.113.1", id="two proxies of ours"),
        pytest.param("10.0.0.1", "1.1.1.1, 203.0.113.1", "203.0.113.1", id="the client wrote a hop of its own"),
        pytest.param("10.0.0.1", "10.9.9.9", "10.9.9.9", id="a client inside our network"),
        pytest.param("::1", "2001:db8::1", "2001:db8::1", id="IPv6"),
        pytest.param("::ffff:10.0.0.1", "::ffff:203.0.113.1", "203.0.113.1", id="IPv4 dressed as IPv6"),
        pytest.param("10.0.0.1", " , ,", "10.0.0.1", id="an empty header"),
    ],
)
def test_the_client_is_the_first_hop_that_is_not_ours(peer, forwarded, client):
    assert str(client_address(peer, forwarded, OURS)) == client


def test_an_unreadable_hop_is_nobody():
    assert client_address("10.0.0.1", "unknown", OURS) is None


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "1.2.3.4:80", "/tmp/socket"])
def test_what_is_no_address_is_none(text):
    assert parse_address(text) is None


def test_nobody_is_within_nothing():
    assert not is_within(None, OURS)
    assert not is_within(parse_address("10.0.0.1"), [])


def test_a_network_that_is_none_is_a_mistake():
    with pytest.raises(ValueError, match="does not appear"):
        parse_networks(("everywhere",))
