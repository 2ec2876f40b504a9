"""Face detectors: each turns a picture into faces."""
