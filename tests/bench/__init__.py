"""Measurements for `make bench`: each file is a program that prints ratios to a baseline. None is a test."""
