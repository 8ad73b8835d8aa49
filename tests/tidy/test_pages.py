"""Reference pages say what the code says; nothing is left undocumented."""

import re
import runpy
import tomllib
from typing import Any, get_args, get_origin

import msgspec
import pyarrow as pa
import pytest
from source import PACKAGE, ROOT, name_of, sections, table_rows, tracked_files

from cloud_conductor.domain import config, findings
from cloud_conductor.domain.explain import BREAKS, ERRORS, EXPLANATIONS, every_error, explain
from cloud_conductor.domain.schemas import KEYS, TABLES

DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
GLOSSARY = {
    "sale", "sale_line", "tender", "store", "register", "refund", "return", "void",
    "journal_entry", "journal_line", "post", "account", "account_code", "reconcile", "match",
    "break", "on_hand", "on_order", "available", "reorder_point", "safety_stock",
    "lead_time_days", "landing", "raw", "processed", "curated", "quarantine", "contract",
    "finding", "idempotency_key", "backfill", "data_interval", "watermark", "tumbling_window",
    "business_date", "occurred_at", "received_at", "source_created_at", "seal", "event_log",
    "posting_key",
}  # fmt: skip


def page(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


def test_every_error_has_a_code_of_its_own():
    codes = [kind.code for kind in every_error()]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"CC-\d{3}", code) for code in codes)


def test_every_error_is_explained_and_nothing_else_is():
    assert {k.code: k.__name__ for k in every_error()} == {
        code: entry.title for code, entry in ERRORS.items()
    }
    assert all(entry.what and entry.why and entry.fix for entry in EXPLANATIONS.values())


def test_the_error_tree_is_drawn_with_every_class():
    from cloud_conductor.domain import errors

    drawn = set(re.findall(r"-- (\w+)", errors.__doc__)) | {"ConductorError"}
    assert drawn == {kind.__name__ for kind in every_error()}


def test_the_page_of_errors_is_the_generated_one():
    generated = runpy.run_path(str(DOCS / "generate.py"))["errors_page"]()
    assert page("errors.md") == generated, "run: make docs"


def test_the_page_of_commands_is_the_generated_one():
    generated = runpy.run_path(str(DOCS / "generate.py"))["commands_page"]()
    assert page("commands.md") == generated, "run: make docs"


def test_every_schema_is_of_an_object_that_some_command_prints():
    printed = {
        name
        for f in (PACKAGE / "cli").glob("*.py")
        for name in re.findall(r'"schema": "conductor\.(\w+)/v1"', f.read_text("utf-8"))
    } | {"replay"}
    assert {f.stem for f in (REFERENCE / "schemas").glob("*.json")} == printed


def test_the_picture_of_the_demo_shows_the_golden_day():
    """§5: net 186.83, collected 260.64; and the README shows what the picture shows."""
    drawn = (DOCS / "pictures" / "demo.txt").read_text("utf-8")
    assert re.search(r"NYC01 +2026-11-21 +USD +186\.83 +260\.64 +260\.64 +0\.00", drawn)
    shown = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert shown
    assert shown[1] == drawn


def test_explain_knows_a_code_in_any_case_and_nothing_it_does_not_know():
    assert explain(" cc-211 ") is EXPLANATIONS["CC-211"]
    assert explain("CC-999") is None


def test_every_break_of_r_14_4_is_explained_and_on_its_page():
    assert sorted(BREAKS) == [f"D{number:02d}" for number in range(1, 17)]
    text = page("breaks.md")
    assert [code for code in BREAKS if code not in text] == []


def test_errors_are_only_declared_in_the_tree():
    strays = [
        name_of(f)
        for f in PACKAGE.rglob("*.py")
        if f.name != "errors.py"
        and re.search(
            r"^class \w+\((ConductorError|Transient|Permanent)\)", f.read_text(), re.MULTILINE
        )
    ]
    assert strays == []


# Modules beside the adapters of a port that are parts of them.
ADAPTER_PARTS = {"log/group", "log/identity"}


def _adapters() -> set[str]:
    """`port/vendor` of every module below adapters/; `xero_wire` is a part of `xero`."""
    found: set[str] = set()
    for port in (f for f in (PACKAGE / "adapters").iterdir() if f.is_dir()):
        names = {
            f.stem for f in port.iterdir() if f.suffix == ".py" or (f / "__init__.py").exists()
        }
        names = {n for n in names if not n.startswith("_")}
        parts = {n for n in names for vendor in names - {n} if n.startswith(f"{vendor}_")}
        found |= {f"{port.name}/{name}" for name in names - parts}
    return found - ADAPTER_PARTS


def test_the_finder_of_adapters_sees_the_shipped_ones():
    assert {"pos/square", "ledger/xero", "log/sqlite", "log/postgres"} <= _adapters()


def test_every_adapter_has_a_page():
    missing = [a for a in sorted(_adapters()) if not (REFERENCE / "adapters" / f"{a}.md").exists()]
    assert missing == []


def test_every_extra_that_an_error_names_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {
        extra
        for f in PACKAGE.rglob("*.py")
        for extra in re.findall(r'MissingExtra\(\s*"[^"]+",\s*"([^"]+)"', f.read_text("utf-8"))
    }
    assert named - set(extras["optional-dependencies"]) == set()


def _keys(section: type[msgspec.Struct], prefix: str = "") -> dict[str, tuple[str, str]]:
    """Dotted key -> (type, default) of a configuration struct; `*` stands for a name of yours."""
    found: dict[str, tuple[str, str]] = {}
    for field in msgspec.structs.fields(section):
        key, kind = f"{prefix}{field.name}", field.type
        inner = _section_of(kind)
        if inner is not None:
            star = "*." if get_origin(kind) is dict else ""
            found |= _keys(inner, f"{key}.{star}")
        elif key != "root":
            found[key] = (_type_words(kind), _default_words(field))
    return found


def _section_of(kind: Any) -> type[msgspec.Struct] | None:
    for option in (kind, *get_args(kind)):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None


def _type_words(kind: Any) -> str:
    if get_origin(kind) is None:
        return {str: "text", int: "integer", float: "number", bool: "true or false"}[kind]
    if get_origin(kind) is dict:
        return "table"
    if get_origin(kind) is tuple:
        return "list of text"
    return " or ".join(f'"{option}"' for option in get_args(kind))


def _default_words(field: Any) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        return "{}"
    if field.default is msgspec.NODEFAULT:
        return "required"
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return "[]" if field.default == () else str(field.default) if field.default != "" else '""'


def test_every_key_of_the_configuration_is_documented_with_its_type_and_default():
    rows = {
        row[0]: (row[1], row[2]) for row in table_rows(page("configuration.md")) if len(row) == 4
    }
    rows.pop("Key", None)
    assert rows == _keys(config.Config)


def _arrow_words(kind: pa.DataType) -> str:
    return {
        pa.timestamp("us", tz="UTC"): "timestamp (UTC)",
        pa.decimal128(18, 6): "decimal(18,6)",
    }.get(kind, {"date32[day]": "date", "bool": "boolean"}.get(str(kind), str(kind)))


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_column_of_a_table_is_documented_with_its_type(table):
    text = page("tables.md")
    every_table = {row[0]: row[1] for row in table_rows(sections(text)["Every table"])}
    own = {row[0]: row[1] for row in table_rows(sections(text)[table])}
    documented = {name: kind for name, kind in (every_table | own).items() if name != "Column"}
    assert documented == {f.name: _arrow_words(f.type) for f in TABLES[table]}


@pytest.mark.parametrize("table", sorted(TABLES))
def test_the_page_of_tables_names_the_key_of_each(table):
    stated = re.search(r"Key: (.+)", sections(page("tables.md"))[table])
    assert stated
    assert tuple(re.findall(r"`(\w+)`", stated[1])) == KEYS[table]


def test_no_meaning_is_left_empty():
    pages = [page("tables.md"), page("configuration.md")]
    assert [row for text in pages for row in table_rows(text) if not row[-1]] == []


def test_every_finding_code_is_documented():
    codes = {v for k, v in vars(findings).items() if k.isupper() and isinstance(v, str)}
    text = page("findings.md")
    assert {code for code in codes if f"`{code}`" not in text} == set()


def test_the_glossary_has_the_words_of_the_house():
    defined = {row[0].replace(" ", "_") for row in table_rows((DOCS / "glossary.md").read_text())}
    assert GLOSSARY - defined == set()


def test_the_changelog_has_its_shape():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert text.startswith("# Changelog\n")
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert versions
    assert all(
        re.fullmatch(r"\d+\.\d+\.\d+ \((\d{4}-\d\d-\d\d|not released)\)", v) for v in versions
    )
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'version = "{versions[0].split()[0]}"' in project


def test_every_change_fragment_has_a_kind_and_a_sentence():
    kinds = {"added", "changed", "fixed", "removed", "security"}
    for fragment in (f for f in (ROOT / "changelog.d").iterdir() if f.name != "README.md"):
        assert fragment.suffix == ".md"
        assert fragment.stem.rpartition(".")[2] in kinds, fragment.name
        assert fragment.read_text("utf-8").strip().endswith("."), fragment.name


@pytest.mark.parametrize(
    "decision", sorted((DOCS / "decisions").glob("[0-9]*.md")), ids=lambda f: f.stem
)
def test_every_decision_has_context_choice_and_price(decision):
    text = decision.read_text("utf-8")
    assert re.match(rf"# {int(decision.stem[:4])}\. ", text)
    assert [h for h in ("Context", "Choice", "What we gave up") if f"## {h}" not in text] == []
    assert len(text.splitlines()) <= 80


def test_every_decision_that_code_cites_has_a_record():
    numbers = {int(f.name[:4]) for f in (DOCS / "decisions").glob("[0-9]*.md")}
    cited = {
        int(number)
        for f in PACKAGE.rglob("*.py")
        for words in re.findall(r"\bdecisions? (\d+(?:(?:, | and )\d+)*)", f.read_text("utf-8"))
        for number in re.findall(r"\d+", words)
    }
    assert cited - numbers == set()


def test_every_rule_that_code_or_a_page_cites_is_in_the_list_of_rules():
    listed = {row[0] for row in table_rows(page("rules.md"))}
    cited = {
        rule
        for f in tracked_files()
        if f.suffix in {".py", ".md"} and "specs" not in f.parts
        for rule in re.findall(r"\b(?:R-\d+\.\d+[a-z]?|INV-\d+)\b", f.read_text("utf-8"))
    }
    assert cited - listed == set()


LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)|(?:src|srcset)=\"([^\"]+)\"")


def test_every_link_between_pages_leads_somewhere():
    broken = []
    for file in (f for f in tracked_files() if f.suffix == ".md" and "specs" not in f.parts):
        for found in LINK.finditer(file.read_text("utf-8")):
            target = found[1] or found[2]
            if "://" not in target and not (file.parent / target).exists():
                broken.append(f"{name_of(file)}: {target}")
    assert broken == []


def test_every_page_is_reached_from_the_index():
    index = (DOCS / "README.md").read_text("utf-8")
    unlisted = [
        f.relative_to(DOCS).as_posix()
        for f in sorted(DOCS.rglob("*.md"))
        if f.name != "README.md" and f"({f.relative_to(DOCS).as_posix()})" not in index
    ]
    assert unlisted == []
