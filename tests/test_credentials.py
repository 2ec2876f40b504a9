from pathlib import Path

import pytest

from facemask_edge.config import HttpConfig, MqttConfig
from facemask_edge.credentials import MOST_BYTES, SHORTEST_PASSWORD, credentials, page_password
from facemask_edge.errors import ConfigError


def test_without_any_there_is_none() -> None:
    assert credentials(MqttConfig(), {}) == (None, None)


def test_the_configuration_comes_before_systemd_and_systemd_before_the_environment(tmp_path: Path) -> None:
    environment = {"FACEMASK_MQTT_USERNAME": "from environment", "FACEMASK_MQTT_PASSWORD": "one"}
    assert credentials(MqttConfig(), environment) == ("from environment", "one")
    (tmp_path / "mqtt_username").write_text("from systemd\n")
    (tmp_path / "mqtt_password").write_text("two\n")
    environment["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    assert credentials(MqttConfig(), environment) == ("from systemd", "two")
    (tmp_path / "password").write_text("three\nnot this line\n")
    config = MqttConfig(username="from config", password_file=tmp_path / "password")
    assert credentials(config, environment) == ("from config", "three")
    config = MqttConfig(username_file=tmp_path / "mqtt_username", password_file=tmp_path / "password")
    assert credentials(config, {}) == ("from systemd", "three")


def test_a_password_that_changes_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "password"
    config = MqttConfig(username="pi", password_file=file)
    for password in ("one", "two"):
        file.write_text(password)
        assert credentials(config, {}) == ("pi", password)


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"x" * 70_000, "larger than"), (b"\xff\xfe", "not UTF-8"), (None, "No such file")],
    ids=["huge", "binary", "missing"],
)
def test_a_file_that_is_no_password_is_explained(content: bytes | None, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"mqtt\.password_file {file}.*{fault}"):
        credentials(MqttConfig(username="pi", password_file=file), {})


def test_a_password_without_a_user_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("geheim")
    with pytest.raises(ConfigError, match=r"set mqtt\.username") as caught:
        credentials(MqttConfig(password_file=tmp_path / "password"), {})
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("password", ["a\x0bb\x85c\u2028d", " with spaces ", "", "ünïcode"])
def test_a_password_may_hold_any_character_but_a_line_feed(password: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    for ending in ("", "\n", "\r\n", "\nsecond line"):
        file.write_bytes(password.encode() + ending.encode())
        assert credentials(MqttConfig(username="pi", password_file=file), {}) == ("pi", password)


@pytest.mark.parametrize(("value", "fault"), [("x" * 70_000, "larger than"), ("geheim\udcff", "not UTF-8")])
def test_an_environment_that_no_broker_could_be_told_is_explained(value: str, fault: str) -> None:
    environment = {"FACEMASK_MQTT_USERNAME": "pi", "FACEMASK_MQTT_PASSWORD": value}
    with pytest.raises(ConfigError, match=f"FACEMASK_MQTT_PASSWORD: .*{fault}") as caught:
        credentials(MqttConfig(), environment)
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_without_a_password_for_it_there_is_no_page(tmp_path: Path) -> None:
    others = {"FACEMASK_MQTT_PASSWORD": "of the broker", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    (tmp_path / "mqtt_password").write_text("of the broker\n")
    # The unit's fallback for a file that is not there.
    (tmp_path / "http_password").write_text("")
    assert page_password(HttpConfig(), others) is None


def test_of_the_page_too_the_configuration_comes_before_systemd_and_systemd_before_the_environment(
    tmp_path: Path,
) -> None:
    environment = {"FACEMASK_HTTP_PASSWORD": "from environment"}
    assert page_password(HttpConfig(), environment) == "from environment"
    (tmp_path / "http_password").write_text("from systemd\n")
    environment["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    assert page_password(HttpConfig(), environment) == "from systemd"
    (tmp_path / "password").write_text("from the file\nnot this line\n")
    assert page_password(HttpConfig(password_file=tmp_path / "password"), environment) == "from the file"


@pytest.mark.parametrize("password", ["", "x" * (SHORTEST_PASSWORD - 1), "ünïcödé"])
def test_a_password_that_is_guessed_soon_is_refused_and_not_told(password: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{password}\n")
    for config, environment in (
        (HttpConfig(password_file=file), {}),
        (HttpConfig(), {"FACEMASK_HTTP_PASSWORD": password}),
    ):
        with pytest.raises(ConfigError, match="fewer than 8 characters; take a longer one") as caught:
            page_password(config, environment)
        assert not password or password not in str(caught.value)
    assert page_password(HttpConfig(), {"FACEMASK_HTTP_PASSWORD": f"{password}12345678"}) == f"{password}12345678"


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"x" * (MOST_BYTES + 1), "larger than"), (b"\xff\xfe", "not UTF-8"), (None, "No such file")],
    ids=["huge", "binary", "missing"],
)
def test_a_file_that_is_no_password_of_the_page_is_explained(content: bytes | None, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^http\.password_file {file}.*{fault}") as caught:
        page_password(HttpConfig(password_file=file), {})
    assert "MQTT" not in str(caught.value)
