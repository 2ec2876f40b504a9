"""For picamera2, which imports it to write raw pictures; it has no wheel."""
