"""Tests; they mirror the packages one to one."""
