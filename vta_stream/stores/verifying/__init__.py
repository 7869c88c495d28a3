"""Is the dataset what it promises to be? Checking it, reading only, and mending what can be mended."""

from vta_stream.stores.verifying.checking import check, verify
from vta_stream.stores.verifying.findings import KINDS, Finding, Report

__all__ = ["KINDS", "Finding", "Report", "check", "verify"]
