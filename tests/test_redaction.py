import pytest

from facemask_edge.redaction import without_password


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://user:secret@host/1", "rtsp://…@host/1"),
        ("mqtt://user:hun/ter2@host", "mqtt://…@host"),
        ("mqtt://user:p@secret@host", "mqtt://…@host"),
        ("['mqtt://a:secret@b', 'mqtt://c:secret@d']", "['mqtt://…@b', 'mqtt://…@d']"),
        ("rtsp://host/1", "rtsp://host/1"),
        ("http://host/video?user=admin&pwd=secret", "http://host/video?user=admin&pwd=…"),
        ("http://host/video?Password=secret&size=2 …", "http://host/video?Password=…&size=2 …"),
        ("'http://host/?authToken=se/cr?et'", "'http://host/?authToken=…'"),
        ("write mqtt://host:port or mqtts://…", "write mqtt://host:port or mqtts://…"),
    ],
)
def test_a_password_in_a_url_is_never_shown(text: str, expected: str) -> None:
    assert without_password(text) == expected
