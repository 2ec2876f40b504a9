"""What is known of libraries and runtimes; the versions are those that were published."""

import subprocess

import pytest

from facemask_edge.edge_tpu_pairing import installed_library, why_unlikely


@pytest.mark.parametrize(
    ("runtime", "library"),
    [
        ("tflite-runtime 2.5.0.post1", "16.0"),
        ("tflite-runtime 2.17.1", "16.0tf2.17.1-1.bookworm"),
        ("ai-edge-litert 2.3.0", None),
    ],
)
def test_what_goes_together_or_is_not_known_is_not_doubted(runtime: str, library: str | None) -> None:
    assert why_unlikely(runtime, library) is None


@pytest.mark.parametrize(
    ("runtime", "library", "built_for"),
    [
        ("tflite-runtime 2.14.0", "16.0", "2.5"),
        ("ai-edge-litert 2.3.0", "16.0", "2.5"),
        ("tflite-runtime 2.14.0", "16.0tf2.17.1-1", "2.17"),
        ("tflite-runtime 2.170.0", "16.0tf2.17.1-1", "2.17"),
    ],
)
def test_what_does_not_is_said_with_both_versions(runtime: str, library: str, built_for: str) -> None:
    assert why_unlikely(runtime, library) == (
        f"libedgetpu {library} was built for tflite-runtime {built_for}, and may end the program with {runtime}: "
        "see docs/coral.md for which go together"
    )


def test_the_library_that_dpkg_has_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facemask_edge.edge_tpu_pairing.PACKAGES", ("no-such-package",))
    assert installed_library() is None
    monkeypatch.setattr("facemask_edge.edge_tpu_pairing.PACKAGES", ("dpkg", "no-such-package"))
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "dpkg"], capture_output=True, text=True, check=True)
    assert installed_library() == shown.stdout
