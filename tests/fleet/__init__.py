"""Hundreds of devices, and brokers that are one cluster: real ones, on loopback."""
