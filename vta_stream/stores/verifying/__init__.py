"""Is the dataset what it promises to be? Checking it, reading only, and mending what can be mended."""

from vta_stream.stores.verifying.checking import check, verify
from vta_stream.stores.verifying.findings import KINDS, Finding, Report
from vta_stream.stores.verifying.repairing import Repaired, repair

__all__ = ["KINDS", "Finding", "Repaired", "Report", "check", "repair", "verify"]
