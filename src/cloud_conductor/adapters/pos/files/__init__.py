"""Landed exports as a POS: records of JSON, NDJSON and CSV files to canonical tables."""

from cloud_conductor.adapters.pos.files.decode import DECODER, FilesDecoder

__all__ = ["DECODER", "FilesDecoder"]
