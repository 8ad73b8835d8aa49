"""Sizes and shapes of the code itself."""

import ast
import re
from pathlib import Path

import grimp
import pytest
from source import PACKAGE, ROOT, name_of, python_files, tracked_files, tree

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}
NOTE = re.compile(r"(?:#|<!--|//)\s*(?:TO" + "DO|FIX" + "ME|X" + r"XX|HACK)\b", re.IGNORECASE)

# Files that may catch Exception, each with the loop it guards. A loop that catches logs, counts and
# leaves the work where it was.
BROAD_CATCHES: dict[str, str] = {
    "src/cloud_conductor/adapters/log/group.py": "the writer's loop: every waiting caller is told",
    "src/cloud_conductor/pipelines/alerting.py": "watcher loop: one pass must not end the thread",
    "src/cloud_conductor/serve/answering.py": "request loop: one request must not end the server",
    "src/cloud_conductor/serve/errands.py": "errand loop: one errand must not end the thread",
    "src/cloud_conductor/serve/protocol.py": "request loop: one webhook must not end the server",
    "src/cloud_conductor/serve/sse.py": "stream loop: one snapshot must not end the stream",
    "src/cloud_conductor/cli/main.py": "the top of the program: the last word to the user",
    "src/cloud_conductor/pipelines/engine.py": "scheduler loop: one pass must not end the process",
    "src/cloud_conductor/pipelines/publisher.py": "publisher loop: one pass must not end it",
    "src/cloud_conductor/pipelines/worker.py": "worker loop: one step must not end the process",
}


def test_no_file_is_longer_than_500_lines():
    sizes = {name_of(f): len(f.read_text("utf-8").splitlines()) for f in python_files()}
    assert {name: n for name, n in sizes.items() if n > FILE_LINES_MAX} == {}


def test_no_function_is_longer_than_60_lines():
    long = {}
    for file in python_files():
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long[f"{name_of(file)}:{node.lineno} {node.name}"] = lines
    assert long == {}


def test_no_line_of_code_is_longer_than_110_characters():
    # The formatter keeps code to 100; this bounds the prose it leaves alone.
    wide = [
        f"{name_of(f)}:{number}"
        for f in python_files()
        for number, line in enumerate(f.read_text("utf-8").splitlines(), 1)
        if len(line) > 110 and "http" not in line and "noqa" not in line
    ]
    assert wide == []


def test_no_module_has_a_vague_name():
    vague = [
        name_of(f)
        for f in python_files()
        if {f.stem, f.parent.name} & VAGUE_NAMES and f.name != "__init__.py"
    ]
    assert vague == []


def test_no_to_do_notes_are_left():
    files = [f for f in tracked_files() if f.suffix in {".py", ".md", ".toml", ".js", ".sh"}]
    noted = [
        f"{name_of(f)}:{number}"
        for f in files
        if "specs" not in f.parts
        for number, line in enumerate(f.read_text("utf-8").splitlines(), 1)
        if NOTE.search(line)
    ]
    assert noted == []


def _broad_catches(file: Path) -> list[int]:
    """Lines that catch everything and do not raise it again."""
    found = []
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.ExceptHandler) and ast.unparse(node.body[-1]) != "raise":
            names = [node.type] if not isinstance(node.type, ast.Tuple) else node.type.elts
            broad = {"Exception", "BaseException"}
            if any(n is None or (isinstance(n, ast.Name) and n.id in broad) for n in names):
                found.append(node.lineno)
    return found


def test_only_named_worker_loops_catch_every_exception():
    broad = {
        f"{name_of(f)}:{line}"
        for f in python_files()
        if f.is_relative_to(PACKAGE) and name_of(f) not in BROAD_CATCHES
        for line in _broad_catches(f)
    }
    assert broad == set()


CHECKS = re.compile(
    r"\bassert\b|AssertionError|raises\(|check|expect|validate|verify|contract", re.IGNORECASE
)


def test_the_list_of_broad_catches_names_only_files_that_need_it():
    assert [name for name in BROAD_CATCHES if not _broad_catches(ROOT / name)] == []


def test_asserts_nothing_tests_do_not_exist():
    """A test checks something itself, or through a function of its file that does."""
    empty = []
    for file in (f for f in python_files() if f.name.startswith("test_")):
        functions = [n for n in ast.walk(tree(file)) if isinstance(n, ast.FunctionDef)]
        checking = {f.name for f in functions if CHECKS.search(ast.unparse(f))}
        for function in (f for f in functions if f.name.startswith("test_")):
            used = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
            if function.name not in checking and not used & checking:
                empty.append(f"{name_of(file)}:{function.lineno} {function.name}")
    assert empty == []


def test_there_are_no_import_cycles():
    graph = grimp.build_graph("cloud_conductor", cache_dir=None)
    edges = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert _cycle(edges) == []


def _cycle(edges: dict[str, set[str]]) -> list[str]:
    """One cycle of a directed graph, or an empty list."""
    done: set[str] = set()
    for start in sorted(edges):
        path: list[str] = []
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            module, leaving = stack.pop()
            if leaving:
                done.add(path.pop())
            elif module in path:
                return [*path[path.index(module) :], module]
            elif module not in done:
                path.append(module)
                stack.append((module, True))
                stack.extend((below, False) for below in sorted(edges[module]))
    return []


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}}, ["a", "b", "c", "a"]),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, []),
    ],
)
def test_the_cycle_finder_finds_a_planted_cycle(edges, expected):
    assert _cycle(edges) == expected


def test_the_folder_of_every_room_is_on_a_floor():
    folders = {f.name for f in PACKAGE.iterdir() if f.is_dir() and f.name != "__pycache__"}
    architecture = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    assert {name for name in folders if f"`{name}/`" not in architecture} == set()
