import json

import pytest

from cloud_conductor.domain.exports import Label, Unreadable, is_export, label_of, records_of
from exports import CSV, sale, text


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("sales_20261121_233000.json", Label("sales", "", 1_795_303_800_000_000)),
        ("in/sales_2026-11-21_23-30-00.ndjson", Label("sales", "", 1_795_303_800_000_000)),
        ("sales_20261121_993000.json", Label("sales")),
        ("sales.csv", Label("sales")),
        ("products_full.csv", Label("products")),
        ("raw/sales/source=shop/date=2026-11-21/part-0.json", Label("sales", "shop")),
        ("raw/sales/source=shop/date=2026-11-21/products_1.json", Label("sales", "shop")),
        ("raw/staff/source=shop/date=2026-11-21/part-0.json", None),
        ("notes.json", None),
    ],
)
def test_a_path_says_dataset_source_and_time(path, label):
    assert label_of(path) == label


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("sales_1.json", True), ("a/b/sales.CSV", True), (".sales_1.json.swp", False),
        ("_tmp/sales_1.json", False), ("sales_1.json.part", False), ("~sales.csv", False),
    ],
)  # fmt: skip
def test_files_in_the_making_are_no_exports(path, answer):
    assert is_export(path) is answer


def _records(data, path="sales_1.json", columns=None):
    return list(records_of(data, path=path, dataset="sales", columns=columns or {}))


def test_records_of_a_json_list_keep_their_bytes():
    assert _records(b'\xef\xbb\xbf [ {"a": 1.10} , {"b":2}]') == [
        (1, b'{"a": 1.10}'),
        (2, b'{"b":2}'),
    ]


def test_one_json_object_is_one_record():
    assert _records(b'{"sale_id":"1"}\n') == [(1, b'{"sale_id":"1"}')]


def test_ndjson_gives_a_record_a_line_even_where_one_is_broken():
    data = b'{"a":1}\r\n\n{"a":\n{"b":2}'
    assert _records(data, "sales.ndjson") == [(1, b'{"a":1}'), (3, b'{"a":'), (4, b'{"b":2}')]


def test_lines_of_csv_with_one_sale_are_one_record():
    (first, one), (third, two) = _records(CSV, "sales.csv")
    assert (first, third) == (1, 3)
    assert [row["sku"] for row in json.loads(one)["rows"]] == ["G-1", "A-1"]
    assert "tax" not in json.loads(one)["rows"][0], "an empty cell is absent"
    assert json.loads(two)["rows"][0]["quantity"] == "-1"


def test_the_id_column_may_have_another_name():
    data = CSV.replace(b"sale_id", b"Receipt")
    assert len(_records(data, "sales.csv", {"Receipt": "sale_id"})) == 2
    assert len(_records(data, "sales.csv")) == 3


@pytest.mark.parametrize(
    ("path", "data", "reason"),
    [
        ("sales.json", text(sale())[:-20], "not JSON"),
        ("sales.json", b"", "not JSON"),
        ("sales.csv", b"", "header"),
        ("sales.csv", b"a,a\n1,2\n", "two have the same"),
        ("sales.csv", b"a,b\n1\n", "row 1"),
        ("sales.csv", b"a,b\n1,2,3\n", "row 1"),
        ("sales.csv", b"a\n\xff\n", "UTF-8"),
        ("sales.ndjson", b'{"a":"' + b"x" * 1_048_576 + b'"}', "row 1 has"),
    ],
)  # fmt: skip
def test_bytes_that_are_not_what_the_suffix_says_are_refused_with_the_reason(path, data, reason):
    with pytest.raises(Unreadable, match=reason):
        _records(data, path)
