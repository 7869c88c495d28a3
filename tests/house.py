"""The package as text: its modules, what each imports, and the law that ARCHITECTURE.md's table states."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "vta_stream"


@dataclass(frozen=True)
class Module:
    """One Python file. `room` is the folder or file right below the package: `stages`, `metrics`."""

    path: Path

    @property
    def name(self) -> str:
        """The dotted name: `vta_stream.stages.segment`."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def room(self) -> str:
        """The part below the package; empty for the package's own `__init__.py`."""
        return self.name.partition(".")[2].partition(".")[0]

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))

    def imports(self) -> Iterator[tuple[int, str]]:
        """(line, dotted name) of every import, at any depth, those for type checkers only included."""
        package = self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    above = package.split(".")[: len(package.split(".")) - node.level + 1]
                    base = ".".join([*above, base] if base else above)
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)

    def where(self, line: int) -> str:
        """`file:line`, for messages."""
        return f"{self.path.relative_to(ROOT)}:{line}"


def modules(folder: str = PACKAGE) -> list[Module]:
    """All modules under a folder of the repository, in order."""
    return [Module(path) for path in sorted((ROOT / folder).rglob("*.py"))]


@dataclass(frozen=True)
class Law:
    """What one room may import.

    `rooms` are other rooms, or single modules of them (`filters.base`); `plug_ins`: the files of the room know
    only their own `base`; `outside`: the only top-level packages beside the standard library, None for any.
    """

    rooms: frozenset[str]
    plug_ins: bool
    outside: frozenset[str] | None

    def allows(self, target: str) -> bool:
        """Is `target`, a dotted name below the package such as `filters.base.Limits`, allowed?"""
        return any(target == room or target.startswith(f"{room}.") for room in self.rooms)


def laws() -> dict[str, Law]:
    """Room -> law, read from the table "Where things live" of ARCHITECTURE.md.

    A cell of its last column lists rooms in backticks; `all above` and `all above but` mean what they say; "own `base`"
    makes the room one of plug-ins; words without backticks are the only outside packages allowed.
    """
    text = (ROOT / PACKAGE / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.partition("## Where things live")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "]
    found: dict[str, Law] = {}
    for places, _what, allowed in rows[1:]:
        law = read_cell(allowed, above=tuple(found))
        found.update({_room(place): law for place in re.findall(r"`([^`]+)`", places)})
    return found


def _room(place: str) -> str:
    return place.removesuffix("/").removesuffix(".py")


def read_cell(cell: str, above: tuple[str, ...]) -> Law:
    named = frozenset(re.findall(r"`([^`]+)`", cell))
    plain = {word.strip() for word in re.sub(r"own `base`|`[^`]+`", "", cell).split(",") if word.strip()}
    if any(word.startswith("all above") for word in plain):
        assert plain <= {"all above", "all above but"}, f"ARCHITECTURE.md: cannot read the cell {cell!r}"
        return Law(frozenset(above) - named, plug_ins=False, outside=None)
    if "own `base`" in cell:
        named -= {"base"}
    outside = frozenset(plain - {"standard library"}) if plain else None
    return Law(named, plug_ins="own `base`" in cell, outside=outside)


def tracked_files() -> list[Path]:
    """The files that git tracks, those deleted in the working tree left out."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
