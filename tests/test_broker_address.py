import pytest

from facemask_edge.broker_address import BrokerAddress, parse_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://a", BrokerAddress("mqtt", "a", 1883, "")),
        ("mqtt://a:1/", BrokerAddress("mqtt", "a", 1, "")),
        ("mqtts://a", BrokerAddress("mqtts", "a", 8883, "")),
        ("mqtt://[::1]:1884", BrokerAddress("mqtt", "::1", 1884, "")),
        ("ws://a", BrokerAddress("ws", "a", 80, "/mqtt")),
        ("wss://a/live/mqtt", BrokerAddress("wss", "a", 443, "/live/mqtt")),
    ],
)
def test_addresses_are_read(url: str, expected: BrokerAddress) -> None:
    assert parse_address(url) == expected
    assert parse_address(str(expected)) == expected


def test_what_is_encrypted_and_what_is_a_websocket() -> None:
    assert [parse_address(f"{scheme}://a").uses_tls for scheme in ("mqtt", "mqtts", "ws", "wss")] == [False, True] * 2
    assert [parse_address(f"{scheme}://a").uses_websockets for scheme in ("mqtt", "mqtts", "ws", "wss")] == [
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    "url",
    ["a:1883", "http://a", "mqtt://", "mqtt://a:0", "mqtt://a:70000", "mqtt://a:b", "mqtt://a/path", "ws://a/?b", ""],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no broker address"):
        parse_address(url)


@pytest.mark.parametrize("url", ["mqtt://pi:geheim@a", "mqtts://pi@a", "ws://:geheim@a/mqtt"])
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"mqtt\.password_file") as caught:
        parse_address(url)
    assert "geheim" not in str(caught.value)
