"""Which code a location has in the books. Another code later would post its days again."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, func, insert, select, update

from cloud_conductor.domain.errors import ConfigError
from cloud_conductor.domain.stores import Store
from cloud_conductor.state.migrate import alone
from cloud_conductor.state.tables.accounting import DAY
from cloud_conductor.state.tables.stores import STORE_CODE


def keep_codes(engine: Engine, stores: Sequence[Store]) -> None:
    """Write down the code of every location, once.

    ConfigError when a location has another code than before, and store-days were closed under the
    old one: its entries are posted under keys with that code (R-13.6), and a replay under the new
    one would post them a second time.
    """
    with alone(engine) as connection:
        known = {
            (row.source, row.location_id): row.store
            for row in connection.execute(select(STORE_CODE))
        }
        for store in stores:
            place = (store.source, store.location_id)
            if place not in known:
                connection.execute(insert(STORE_CODE).values((*place, store.store)))
            elif known[place] != store.store:
                _renamed(connection, store, known[place])


def _renamed(connection: Connection, store: Store, before: str) -> None:
    days = select(func.count()).select_from(DAY).where(DAY.c.store == before)
    if closed := connection.execute(days).scalar_one():
        raise ConfigError(
            f"location {store.location_id} of {store.source} is store {before} in the books, with"
            f" {closed} store-days; conductor.toml now calls it {store.store}",
            hint=f"call it {before} again in conductor.toml: a code is for ever, a name is not",
        )
    place = (STORE_CODE.c.source == store.source) & (STORE_CODE.c.location_id == store.location_id)
    connection.execute(update(STORE_CODE).where(place).values(store=store.store))
