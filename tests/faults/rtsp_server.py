"""A real RTSP camera: GStreamer's server, which plays a video over and over as H.264.

    /usr/bin/python3 rtsp_server.py PORT VIDEO.webm WIDTH HEIGHT

For the system's Python, where Debian's gir1.2-gst-rtsp-server-1.0 is; it needs nothing of this project. Says ``ready``.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - only once the versions are chosen


def main() -> None:
    port, video, width, height = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_launch(
        f"( multifilesrc location={video} loop=true ! matroskademux ! vp8dec ! videoconvert ! videoscale ! "
        f"video/x-raw,width={width},height={height},format=I420 ! x264enc tune=zerolatency speed-preset=ultrafast "
        "key-int-max=15 bitrate=4000 ! rtph264pay name=pay0 pt=96 )"
    )
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
