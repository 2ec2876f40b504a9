"""Tests of the workstation's half; they mirror ``converter/``."""
