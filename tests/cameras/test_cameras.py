from facemask_edge.cameras import is_live


def test_what_is_live() -> None:
    assert [is_live(source) for source in ("0", "/dev/video2", "rtsp://a/b", "http://a")] == [True] * 4
    assert [is_live(source) for source in ("a.mp4", "/videos", "0.mp4")] == [False] * 3
