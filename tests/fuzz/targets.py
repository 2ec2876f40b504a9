"""What comes in from outside, each as a function of bytes that may raise nothing but this project's own errors."""

import contextlib
import io
import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from http.client import HTTPResponse
from pathlib import Path
from unittest import mock
from urllib.parse import SplitResult

import cv2
import numpy as np
from paho.mqtt.reasoncodes import ReasonCode
from rich.console import Console

from converter.classifier_data import find_pictures
from converter.detector_data import read_scenes
from converter.split_file import read_split_file, split_file_of
from converter.tflite_file import read_tflite
from facemask_edge import outbox_view
from facemask_edge.broker_address import parse_address
from facemask_edge.broker_connection import BrokerConnection, Ending, Welcome
from facemask_edge.cameras.capture import MOST_PIXELS, CameraLostError
from facemask_edge.cameras.jpeg import jpeg_size
from facemask_edge.cameras.motion_jpeg import MotionJpegCapture, OtherStreamError
from facemask_edge.cameras.recording import Recording, read_picture
from facemask_edge.config import Config, MqttConfig
from facemask_edge.config_file import load_config
from facemask_edge.devices import Devices
from facemask_edge.errors import FacemaskError
from facemask_edge.events import Changes, Event
from facemask_edge.manifest import MANIFEST, packaged_models, read_manifest
from facemask_edge.orders import Orders
from facemask_edge.store import Store
from facemask_edge.switches import RefusedError, Switches
from facemask_edge.top import shown
from facemask_edge.video import video_writer
from tests.motion_jpeg import encoded, grey, part

ROOT = Path(__file__).parent.parent.parent
MOST_FRAMES = 5
"""Decoded of a video."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that reads what others wrote."""

    name: str
    read: Callable[[bytes, Path], None]
    """Takes the content, and a folder of its own."""
    valid: Callable[[Path], list[bytes]]
    """Contents as they should be, to begin with; may write into a folder."""
    measured: tuple[str, ...]
    """Files whose branches are counted."""
    largest: int = 20_000
    """Bytes of an input."""


def config(content: bytes, folder: Path) -> None:
    (folder / "config.yaml").write_bytes(content)
    with suppress(FacemaskError):
        load_config(folder / "config.yaml").shown()


def setting(content: bytes, _folder: Path) -> None:
    with suppress(FacemaskError):
        load_config(None, content.decode(errors="replace").split("\n")[:5]).shown()


def manifest(content: bytes, folder: Path) -> None:
    (folder / MANIFEST).write_bytes(content)
    with suppress(FacemaskError):
        read_manifest(folder)


def split_file(content: bytes, folder: Path) -> None:
    model = folder / "model.keras"
    split_file_of(model).write_bytes(content)
    with suppress(FacemaskError):
        read_split_file(model)


def boxes(content: bytes, folder: Path) -> None:
    (folder / "boxes.jsonl").write_bytes(content)
    with suppress(FacemaskError):
        read_scenes([folder], "train")
    with suppress(FacemaskError):
        find_pictures(folder, split="train")


def tflite(content: bytes, folder: Path) -> None:
    (folder / "model.tflite").write_bytes(content)
    with suppress(FacemaskError):
        read_tflite(folder / "model.tflite")


def outbox(content: bytes, folder: Path) -> None:
    path = folder / "outbox.sqlite3"
    path.write_bytes(content)
    with contextlib.redirect_stdout(io.StringIO()), suppress(FacemaskError):
        outbox_view.show_list(path, only_dead=False, limit=5, as_json=True)
    with suppress(FacemaskError):
        store = Store(path, max_bytes=1_000_000)
        with closing(store):
            store.commit(Changes(events=[Event("facemask/pi/door/violation", {"id": "new"})]))
            messages = store.take(20)
            store.commit(Changes(delivered=[message.key for message in messages]))
            assert any(b'"new"' in message.payload for message in messages), "a new event is always delivered"
    for left in folder.glob("outbox.sqlite3*"):
        if left.is_file():
            left.unlink()


def picture(content: bytes, folder: Path) -> None:
    (folder / "picture.jpg").write_bytes(content)
    with suppress(FacemaskError):
        assert read_picture(folder / "picture.jpg").dtype == np.uint8
    with suppress(ValueError):
        width, height = jpeg_size(content)
        if width * height < MOST_PIXELS:
            decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
            assert decoded is None or decoded.shape[:2] == (height, width), "another size than was looked at"


def motion_jpeg(content: bytes, _folder: Path) -> None:
    """All that a camera sends, from its answer on."""
    camera, device = socket.socketpair()
    with camera, device, suppress(CameraLostError, OtherStreamError):
        # As much as a socket takes without a reader.
        camera.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        camera.send(content)
        camera.shutdown(socket.SHUT_WR)

        def answer(_parts: SplitResult, _login: Mapping[str, str] | None = None) -> tuple[HTTPResponse, socket.socket]:
            response = HTTPResponse(device)
            response.begin()
            return response, device

        with mock.patch("facemask_edge.cameras.motion_jpeg._answer", answer):
            stream = MotionJpegCapture("http://user:password@camera/")
        with closing(stream):
            while True:
                assert stream.read().image.size


def video(content: bytes, folder: Path) -> None:
    path = folder / "video.webm"
    path.write_bytes(content)
    with suppress(FacemaskError), closing(Recording(path)) as recording:
        for _, frame in zip(range(MOST_FRAMES), recording, strict=False):
            assert frame.image.ndim == 3


class _Waiting:
    """Waits for the end of a connection to a broker."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def welcomed(self, _connection: BrokerConnection, _welcome: Welcome) -> None: ...

    def acknowledged(self, _connection: BrokerConnection, _message: int, _reason: ReasonCode) -> None: ...

    def closed(self, _connection: BrokerConnection, _ending: Ending) -> None:
        self.ended.set()


def broker(content: bytes, _folder: Path) -> None:
    """What a broker answers, on a real connection; the first byte chooses the protocol."""
    protocol = "5" if content[:1] < b"\x80" else "3.1.1"
    waiting = _Waiting()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"mqtt://127.0.0.1:{listening.getsockname()[1]}"
        connection = BrokerConnection(
            parse_address(url),
            MqttConfig.model_validate({"servers": [url], "protocol": protocol}),
            client_id="fuzz",
            will_topic="status",
            listener=waiting,
            post=lambda told: told(),
            received=lambda _: None,
        )
        accepted, _ = listening.accept()
        with accepted, suppress(OSError):
            accepted.recv(1000)
            connection.publish_event("topic", b"{}")
            connection.listen("t")
            accepted.sendall(content[1:])
            accepted.shutdown(socket.SHUT_WR)
            assert waiting.ended.wait(5), "the connection has no end"
    connection.wait_until_left()


def order(content: bytes, folder: Path) -> None:
    """What comes on a topic that is listened to: the name, a zero byte, the payload."""
    name, _, payload = content.partition(b"\0")
    file = folder / "overrides.json"
    switches = Switches(Config(), file)
    with suppress(RefusedError):
        Orders(switches, {"restart": lambda: None}).carry_out(name.decode(errors="replace"), payload)
    assert 0 < switches.threshold < 1
    assert Switches(Config(), file).shown() == switches.shown(), "it holds after the next start"


def overrides(content: bytes, folder: Path) -> None:
    """The file that keeps what was ordered."""
    file = folder / "overrides.json"
    file.write_bytes(content)
    assert 0 < Switches(Config(), file).threshold < 1


def device(content: bytes, _folder: Path) -> None:
    """What a device says of itself, and how ``top`` shows it: the topic's end, a zero byte, the payload."""
    devices = Devices("facemask")
    for message in content.split(b"\n")[:5]:
        end, _, payload = message.partition(b"\0")
        devices.heard(f"facemask/{end.decode(errors='replace')}", payload)
    rows = devices.rows()
    json.dumps([asdict(row) for row in rows], allow_nan=False)
    screen = io.StringIO()
    Console(file=screen, width=120).print(shown(rows, ""))
    assert "\x1b" not in screen.getvalue(), "a terminal would obey"


def _configs(_folder: Path) -> list[bytes]:
    cameras = b"cameras:\n- {name: door, source: 'rtsp://u:p@h/1', zones: [[[0, 0], [1, 0], [1, 1]]], format: MJPG}\n"
    return [(ROOT / "config.yaml").read_bytes(), cameras, b"mqtt: &a {servers: ['ws://a:1/x']}\noutbox: *a\n"]


def _settings(_folder: Path) -> list[bytes]:
    return [
        b"cameras=[{name: door, source: 0}]\nmqtt.servers=['mqtts://a:8883']",
        b"compliance.cooldown=3.5\noutbox.path=x",
    ]


def _manifests(_folder: Path) -> list[bytes]:
    return [(packaged_models() / MANIFEST).read_bytes(), b'{"models": []}']


def _split_files(_folder: Path) -> list[bytes]:
    whole = json.loads((packaged_models() / "mask_classifier.split.json").read_bytes())
    return [json.dumps({key: value[:2] if isinstance(value, list) else value for key, value in whole.items()}).encode()]


def _answers(_folder: Path) -> list[bytes]:
    welcome = bytes([0x20, 11, 0, 0, 8, 0x21, 0, 5, 0x27, 0, 0, 7, 0xD0])
    acknowledged = bytes([0x40, 2, 0, 1, 0x40, 4, 0, 1, 0x87, 0])
    ended = bytes([0xE0, 2, 0x8B, 0])
    published = bytes([0x30, 6, 0, 1, 0x74, 0, 0x68, 0x69])
    return [b"\0" + welcome + acknowledged + ended, b"\xff\x20\x02\0\0\x40\x02\0\x01" + published]


def _orders(_folder: Path) -> list[bytes]:
    return [b"enabled\0OFF", b"threshold\x000.75", b"threshold\0default", b"restart\0PRESS"]


def _devices(_folder: Path) -> list[bytes]:
    health = b'pi/health\0{"cameras": {"door": {"state": "ok", "fps": 14.7, "latency_ms": {"p95": 67}, "faces": 2}}, '
    health += b'"queued": 3, "cpu_temperature_c": 61.2, "warnings": [{"camera": "door", "says": "it is dark"}]}'
    return [b"pi/status\0online\n" + health + b'\npi/door/people\0{"mask": 1, "no_mask": 2, "undetermined": 0}']


def _overrides(_folder: Path) -> list[bytes]:
    return [b'{"enabled": "OFF", "threshold": "0.75"}']


def _boxes(_folder: Path) -> list[bytes]:
    face = {"box": [1, 2, 30, 40], "label": "mask"}
    scene = {
        "image": "a.jpg",
        "width": 64,
        "height": 48,
        "split": "train",
        "faces": [face, face | {"label": "no_mask"}],
    }
    return [f"{json.dumps(scene)}\n{json.dumps(scene | {'faces': []})}\n".encode()]


def _tflites(_folder: Path) -> list[bytes]:
    return [(packaged_models() / "face_detector_320_int8.tflite").read_bytes()]


def _outboxes(folder: Path) -> list[bytes]:
    ending = {"id": "a", "event_type": "violation_end"}
    start = Event("facemask/pi/door/violation", {"id": "a", "event_type": "violation_start"}, ending)
    path = folder / "valid.sqlite3"
    with closing(Store(path, max_bytes=1_000_000)) as store:
        store.commit(Changes(events=[start, *(Event("topic", {"id": str(number)}) for number in range(5))]))
        store.commit(Changes(dead={store.take(1)[0].key: "packet too large"}))
    return [path.read_bytes()]


def _pictures(_folder: Path) -> list[bytes]:
    random = np.random.default_rng(0).integers(0, 255, (16, 24, 3)).astype(np.uint8)
    return [cv2.imencode(ending, random)[1].tobytes() for ending in (".jpg", ".png", ".bmp", ".webp")]


def _streams(_folder: Path) -> list[bytes]:
    small = encoded(grey(7, 16, 16))
    answer = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
    challenge = b'Digest realm="camera, door", nonce="5c", qop="auth-int,auth", algorithm=MD5, opaque="9"'
    refusal = b"HTTP/1.0 401 No\r\nWWW-Authenticate: Basic realm=x\r\nWWW-Authenticate: " + challenge + b"\r\n\r\n"
    return [answer + part(small) * 2, answer + b"--frame\r\n\r\n" + small + b"\r\n--frame--", refusal]


def _videos(folder: Path) -> list[bytes]:
    with video_writer(folder / "valid.webm", 5) as write:
        for level in range(0, 250, 50):
            write(grey(level, 32, 32))
    return [(folder / "valid.webm").read_bytes()]


CAMERAS = "facemask_edge/cameras"
TARGETS = (
    Target(
        "config",
        config,
        _configs,
        ("facemask_edge/config.py", "facemask_edge/config_file.py", "facemask_edge/redaction.py"),
    ),
    Target("setting", setting, _settings, ("facemask_edge/config_file.py",), largest=500),
    Target("manifest", manifest, _manifests, ("facemask_edge/manifest.py",)),
    Target("split_file", split_file, _split_files, ("converter/split_file.py",)),
    Target("boxes", boxes, _boxes, ("converter/scene_file.py",), largest=2_000),
    Target("tflite", tflite, _tflites, ("converter/tflite_file.py",), largest=200_000),
    Target("broker", broker, _answers, ("facemask_edge/broker_connection.py",), largest=300),
    Target("order", order, _orders, ("facemask_edge/orders.py", "facemask_edge/switches.py"), largest=300),
    Target("device", device, _devices, ("facemask_edge/devices.py",), largest=1_000),
    Target(
        "overrides", overrides, _overrides, ("facemask_edge/switches.py", "facemask_edge/kept_file.py"), largest=500
    ),
    Target(
        "outbox",
        outbox,
        _outboxes,
        (
            "facemask_edge/outbox.py",
            "facemask_edge/outbox_rows.py",
            "facemask_edge/salvage.py",
            "facemask_edge/store.py",
        ),
        largest=100_000,
    ),
    Target("picture", picture, _pictures, (f"{CAMERAS}/recording.py", f"{CAMERAS}/jpeg.py")),
    Target(
        "motion_jpeg",
        motion_jpeg,
        _streams,
        (f"{CAMERAS}/motion_jpeg.py", f"{CAMERAS}/jpeg.py", f"{CAMERAS}/http_login.py"),
    ),
    Target("video", video, _videos, (f"{CAMERAS}/recording.py",)),
)


def target_of(name: str) -> Target:
    """The target of that name."""
    return next(target for target in TARGETS if target.name == name)
