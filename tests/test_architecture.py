"""The laws of the house, as ARCHITECTURE.md states them. A message says where, and what would be right."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.house import PACKAGE, ROOT, Law, Module, laws, modules, read_cell, tracked_files

LINES_MAX = 299
FUNCTION_LINES_MAX = 59
VAGUE = re.compile(r"(?:^|_)(?:utils?|common|helpers?|misc)(?:_|$)", re.IGNORECASE)
HEAVY = {
    "aiohttp", "aiokafka", "av", "confluent_kafka", "ctranslate2", "datasets", "duckdb", "faster_whisper", "faust",
    "huggingface_hub", "numpy", "open_clip", "PIL", "pyarrow", "pydantic", "pysubs2", "scenedetect", "torch",
    "torchvision", "transformers", "yt_dlp",
}  # fmt: skip


def house() -> list[Module]:
    """The modules that have a room; the package's own two doors are looked at apart."""
    return [module for module in modules() if module.room not in ("", "__main__")]


def everywhere() -> list[Module]:
    """All Python files of the repository."""
    return [*modules(), *modules("tests"), *modules("deploy")]


def inside(target: str) -> str | None:
    """The part below the package of an import of ours, None for an import from elsewhere."""
    return target.removeprefix(f"{PACKAGE}.") if target.startswith(f"{PACKAGE}.") else None


def lines(found: list[str]) -> str:
    """For a message: one offence a line."""
    return "\n".join(["", *found])


def offences(module: Module, law: Law) -> Iterator[str]:
    for line, target in module.imports():
        where, ours = module.where(line), inside(target)
        if ours is None:
            top = target.partition(".")[0]
            known = law.outside is None or top in law.outside or top in sys.stdlib_module_names or top == PACKAGE
            if not known:
                yield f"{where}: `{module.room}` imports {top}; allowed: {sorted(law.outside or ())}, standard library"
        elif ours.partition(".")[0] == module.room:
            base = f"{module.room}.base"
            bound = law.plug_ins and module.path.name != "__init__.py"
            if bound and ours != base and not ours.startswith(f"{base}."):
                yield f"{where}: a plug-in imports {ours}; of its siblings it may know only {base}"
        elif not law.allows(ours) and ours != "__version__":
            yield f"{where}: `{module.room}` imports {ours}; ARCHITECTURE.md allows {sorted(law.rooms)}"


def test_every_room_has_its_row_in_the_table() -> None:
    rooms = {module.room for module in house()}
    assert rooms == set(laws()), "ARCHITECTURE.md, Where things live: rows and rooms differ"


@pytest.mark.parametrize("room", sorted(laws()))
def test_a_room_imports_only_what_the_table_allows(room: str) -> None:
    law = laws()[room]
    found = [text for module in house() if module.room == room for text in offences(module, law)]
    assert not found, lines(found)


def test_the_law_is_not_blind() -> None:
    """The checks above find what they are for: each of these lines would be an offence in its room."""
    law = read_cell("`domain`, `scorers.base`, own `base`, numpy", above=())
    source = "import torch\nfrom vta_stream.stores import lake\nfrom vta_stream.scorers.motion import X\n"
    source += "from .clip_match import Y\nfrom . import duration\n"
    allowed = "import json\nimport numpy as np\nfrom vta_stream.domain.clip import Clip\n"
    allowed += "from .base import Limits\nfrom . import base\nfrom vta_stream.scorers.base import S\n"
    module = Module(ROOT / PACKAGE / "filters" / "imaginary.py")
    for text, count in ((source, 5), (allowed, 0)):
        module.__dict__["tree"] = ast.parse(text)
        assert len(list(offences(module, law))) == count
    assert read_cell("all above but `models`", above=("domain", "models")).rooms == {"domain"}


def test_only_the_stream_imports_faust() -> None:
    found = [
        module.where(line)
        for module in modules()
        if module.room != "stream"
        for line, target in module.imports()
        if target.partition(".")[0] in ("faust", "mode")
    ]
    assert not found, lines(found)


def test_only_the_command_line_knows_the_wiring() -> None:
    found = [
        module.where(line)
        for module in modules()
        if module.room not in ("cli", "wiring")
        for line, target in module.imports()
        if inside(target) and str(inside(target)).partition(".")[0] in ("wiring", "cli") and module.room != "__main__"
    ]
    assert not found, lines(found)


def test_files_are_short() -> None:
    counts = {
        str(module.path.relative_to(ROOT)): len(module.path.read_text(encoding="utf-8").splitlines())
        for module in everywhere()
    }
    found = [f"{path}: {count} lines" for path, count in counts.items() if count > LINES_MAX]
    assert not found, lines(found)


def test_functions_are_short() -> None:
    found = []
    for module in everywhere():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    found.append(f"{module.where(node.lineno)}: {node.name} has {length} lines")
    assert not found, lines(found)


def test_names_say_something() -> None:
    found = []
    for module in everywhere():
        parts = module.path.relative_to(ROOT).with_suffix("").parts
        found += [str(module.path.relative_to(ROOT)) for part in parts if VAGUE.search(part)]
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and VAGUE.search(node.name):
                found.append(f"{module.where(node.lineno)}: {node.name}")
    assert not found, lines(found)


def swallows(handler: ast.ExceptHandler) -> bool:
    """A handler that catches everything and does nothing with it."""
    caught = ast.walk(handler.type) if handler.type else ()
    names = {node.id for node in caught if isinstance(node, ast.Name)}
    broad = handler.type is None or bool(names & {"Exception", "BaseException"})
    silent = all(
        isinstance(node, ast.Pass | ast.Continue | ast.Break)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in handler.body
    )
    return broad and silent


def test_no_error_is_swallowed() -> None:
    found = []
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler) and swallows(node):
                found.append(module.where(node.lineno))
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("suppress", "contextlib.suppress"):
                found += [module.where(node.lineno) for name in node.args if ast.unparse(name).endswith("Exception")]
    assert not found, lines(found)


def test_help_imports_nothing_heavy() -> None:
    """What is imported decides how quick help is; a clock would measure the machine instead."""
    code = (
        "import json, sys\nfrom vta_stream.cli import main\n"
        "try:\n    main(['--help'], prog_name='vta-stream')\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "Usage: vta-stream" in answer.stdout
    assert set(json.loads(answer.stdout.splitlines()[-1])) & HEAVY == set()


def test_tracked_files_name_no_machine() -> None:
    """Nothing that is only true where somebody built it: home folders, work folders, private registries."""
    machine = re.compile(
        r"/(?:root|work)/[a-z]|/home/[a-z]+/|/Users/[a-z]+/|/opt/(?:wheels|venv)"
        r"|artifactory|jfrog|codeartifact|nexus\.|devpi|\.(?:internal|corp|local)(?:[:/\"'\s]|$)",
    )
    found = []
    for path in tracked_files():
        if path == ROOT / "tests" / "test_architecture.py":
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{at}: {line[:120]}"
            for at, line in enumerate(text.splitlines(), 1)
            if machine.search(line)
        ]
    assert not found, lines(found)
