"""For picamera2, which imports it to start ffmpeg; it has no wheel."""
