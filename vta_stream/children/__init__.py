"""Work in killable child processes: what can hang or crash natively never takes the worker with it."""

from vta_stream.children.pool import ChildPool
from vta_stream.children.wire import WorkError

__all__ = ["ChildPool", "WorkError"]
