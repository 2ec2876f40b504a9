import pytest

from facemask_edge.redaction import address_without_password, without_password


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://user:secret@host/1", "rtsp://…@host/1"),
        ("mqtt://user:hun/ter2@host", "mqtt://…@host"),
        ("mqtt://user:p@secret@host", "mqtt://…@host"),
        ("['mqtt://a:secret@b', 'mqtt://c:secret@d']", "['mqtt://…@b', 'mqtt://…@d']"),
        ("rtsp://host/1", "rtsp://host/1"),
        ("admin:secret@10.0.0.5/s: no such file", "…@10.0.0.5/s: no such file"),
        ("rtsp:/admin:secret@10.0.0.5/s", "…@10.0.0.5/s"),
        ("rtsp://h/user=admin_password=secret_channel=1.sdp", "rtsp://h/user=admin_password=…"),
        ("http://host/video?user=admin&pwd=secret", "http://host/video?user=admin&pwd=…"),
        ("http://host/video?Password=secret&size=2 …", "http://host/video?Password=…&size=2 …"),
        ("'http://host/?authToken=se/cr?et'", "'http://host/?authToken=…'"),
        ("write mqtt://host:port or mqtts://…", "write mqtt://host:port or mqtts://…"),
    ],
)
def test_a_password_in_a_url_is_never_shown(text: str, expected: str) -> None:
    assert without_password(text) == expected


@pytest.mark.parametrize("password", ["se'cret", 'se"cret', "se cret", "se@cret", "se/cret", "se:cret", "sécret"])
def test_an_address_by_itself_is_shown_without_whatever_password(password: str) -> None:
    shown = address_without_password(f"rtsp://admin:{password}@host:554/1")
    assert shown == "rtsp://…@host:554/1"
