"""The processed zone's tables keep the rules of money and identity."""

import pyarrow as pa
import pytest

from cloud_conductor.domain.schemas import ARRIVAL_COLUMNS, KEYS, PARENTS, PARTITIONED, TABLES


@pytest.mark.parametrize("table", sorted(TABLES))
def test_no_column_is_floating_point_and_money_is_int64(table):
    for field in TABLES[table]:
        assert not pa.types.is_floating(field.type), field.name
        if field.name.endswith("_minor"):
            assert field.type == pa.int64(), field.name


@pytest.mark.parametrize("table", sorted(TABLES))
def test_instants_are_utc_and_columns_are_named_once(table):
    schema = TABLES[table]
    assert len(set(schema.names)) == len(schema.names)
    assert {f.type.tz for f in schema if pa.types.is_timestamp(f.type)} == {"UTC"}


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_table_has_its_key_its_version_and_where_it_came_from(table):
    names = set(TABLES[table].names)
    assert set(KEYS[table]) <= names
    assert {"source", "merchant_id", "version_rank", "version_digest", "raw_sha256"} <= names
    assert set(ARRIVAL_COLUMNS) <= names
    assert not set(ARRIVAL_COLUMNS) & set(KEYS[table])


def test_a_child_carries_the_key_of_its_parent():
    for child, (parent, key) in PARENTS.items():
        assert KEYS[parent] == key
        assert set(key) <= set(KEYS[child])


def test_only_the_catalogue_is_without_a_business_date():
    assert set(TABLES) - set(PARTITIONED) == {"products"}
