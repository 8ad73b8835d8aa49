"""The code each location has had in the books (books). A code is for ever: entries carry it."""

from sqlalchemy import Column, Table, Text

from cloud_conductor.state.tables import BOOKS

STORE_CODE = Table(
    "stores_code",
    BOOKS,
    Column("source", Text, primary_key=True),
    Column("location_id", Text, primary_key=True),
    Column("store", Text, nullable=False),
)
