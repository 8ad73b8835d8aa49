"""Two large record sets compared: a digest per bucket first, rows only where digests differ. Pure.

Every row falls into a bucket by its key. A bucket's digest is the sum of its rows' hashes modulo
2^64: it does not depend on the order of rows and knows how often each comes. Where both sides have
the same sum, the bucket holds the same rows, but for one chance in 2^64; the rows of the others are
compared exactly. `exactly` compares every row, whatever the sums say: the nightly check on this.

Memory: 8 bytes a bucket and up to 4 a row, and the rows of one pass of at most `rows_max`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

BATCH_ROWS = 32_768  # a batch's hashes stay in the cache of one core: bench_reconcile
BUCKETS = 1 << 17  # 8 rows a bucket at a million: 1,000 differences open 0.8 % of the rows
BUCKETS_MAX = 1 << 24
PASS_ROWS_MAX = 2_000_000
SIDE, TIMES = "side", "times"

Rows = Callable[[], Iterable[pa.RecordBatch]]
"""Gives the same rows each time it is called, in any order and in batches of any size."""

Words = npt.NDArray[np.uint64]
Sums = npt.NDArray[np.uint64]
Places = npt.NDArray[np.uint32]

_SEED = np.uint64(0x9E3779B97F4A7C15)
_FACTOR = np.uint64(0xFF51AFD7ED558CCD)  # of MurmurHash3's finaliser
_LAST = np.uint64(0xC4CEB9FE1A85EC53)
_NULL = np.uint64(0x27D4EB2F165667C5)
_SHIFT = np.uint64(32)
_WORD_BYTES = 8
_ALL = 2**64 - 1
_MASKS = np.array([(1 << (8 * size)) - 1 for size in range(8)] + [2**64 - 1], np.uint64)


class Compared(msgspec.Struct, frozen=True):
    """What two sides do not have in common.

    rows: key and value columns, `side` (left | right: where the row is and the other side lacks
    it) and `times` (how often more than there), in order of key and values. A key with other values
    is a row of each side. opened: rows that were compared one by one, of both sides.
    """

    rows: pa.Table
    left_rows: int
    right_rows: int
    buckets: int
    opened: int

    @property
    def is_equal(self) -> bool:
        return not len(self.rows)


def rows_of(table: pa.Table) -> Rows:
    """A table's rows."""
    return lambda: table.to_batches()  # noqa: PLW0108  # typed, unlike the method


def buckets_for(rows: int) -> int:
    """How many buckets suit so many rows: 4 to 8 in each."""
    return min(BUCKETS_MAX, 1 << max(8, (rows // 8).bit_length()))


def compare(
    left: Rows,
    right: Rows,
    *,
    key: Sequence[str],
    values: Sequence[str],
    buckets: int = BUCKETS,
    rows_max: int = PASS_ROWS_MAX,
) -> Compared:
    """The rows that only one side has. Both sides are read once, and again when they differ.

    key, values: columns of both sides, of equal types. buckets: a power of two, see buckets_for.
    """
    sums, places = _digests(left, right, key, values, buckets)
    dirty = np.flatnonzero(sums[0] != sums[1])
    return _opened((left, right), [*key, *values], places, dirty, buckets, rows_max)


def exactly(
    left: Rows,
    right: Rows,
    *,
    key: Sequence[str],
    values: Sequence[str],
    buckets: int = BUCKETS,
    rows_max: int = PASS_ROWS_MAX,
) -> Compared:
    """As `compare`, by looking at every row. Buckets only divide the work here."""
    _, places = _digests(left, right, key, (), buckets)
    every = np.arange(buckets)
    return _opened((left, right), [*key, *values], places, every, buckets, rows_max)


def _digests(
    left: Rows, right: Rows, key: Sequence[str], values: Sequence[str], buckets: int
) -> tuple[tuple[Sums, Sums], tuple[list[Places], list[Places]]]:
    assert buckets & (buckets - 1) == 0, "buckets are a power of two"
    assert buckets <= BUCKETS_MAX, f"at most {BUCKETS_MAX} buckets"
    left_sums, left_places = _digest(left, key, values, buckets)
    right_sums, right_places = _digest(right, key, values, buckets)
    return (left_sums, right_sums), (left_places, right_places)


def _opened(
    sides: tuple[Rows, Rows],
    columns: Sequence[str],
    places: tuple[list[Places], list[Places]],
    dirty: npt.NDArray[np.intp],
    buckets: int,
    rows_max: int,
) -> Compared:
    """The rows of some buckets compared one by one, in passes."""
    found: list[pa.Table] = []
    opened = 0
    for some in _passes(dirty, places, buckets, rows_max):
        wanted = np.zeros(buckets, np.bool_)
        wanted[some] = True
        lefts, rights = (
            _rows_in(side, columns, place, wanted)
            for side, place in zip(sides, places, strict=True)
        )
        opened += sum(batch.num_rows for batch in (*lefts, *rights))
        if lefts or rights:
            found.append(_unlike(lefts, rights, columns))
    if not found:
        found = [_nothing(sides, columns)]
    sizes = [sum(len(some) for some in side) for side in places]
    rows = _ordered(pa.concat_tables(found), columns)
    return Compared(rows, sizes[0], sizes[1], len(dirty), opened)


def _digest(
    side: Rows, key: Sequence[str], values: Sequence[str], buckets: int
) -> tuple[Sums, list[Places]]:
    """Per bucket the sum of its rows' hashes, and per batch the bucket of each row."""
    sums = np.zeros(buckets, np.uint64)
    places: list[Places] = []
    shift = np.uint64(64 - (buckets.bit_length() - 1))
    for whole in side():
        batch_places = np.empty(whole.num_rows, np.uint32)
        for start in range(0, whole.num_rows, BATCH_ROWS):
            batch = whole.slice(start, BATCH_ROWS)
            hashes = np.full(batch.num_rows, _SEED)
            for name in key:
                _mix_column(hashes, batch.column(name))
            place = (hashes * _LAST) >> shift
            for name in values:
                _mix_column(hashes, batch.column(name))
            hashes *= _LAST
            hashes ^= hashes >> _SHIFT
            np.add.at(sums, place.view(np.int64), hashes)
            batch_places[start : start + batch.num_rows] = place
        places.append(batch_places)
    return sums, places


def _passes(
    dirty: npt.NDArray[np.intp], places: Sequence[list[Places]], buckets: int, rows_max: int
) -> Iterator[npt.NDArray[np.intp]]:
    """Dirty buckets in groups of about `rows_max` rows of both sides."""
    if not len(dirty):
        return
    if sum(len(some) for side in places for some in side) <= rows_max:
        yield dirty
        return
    sizes = np.zeros(buckets, np.int64)
    for side in places:
        for some in side:
            sizes += np.bincount(some, minlength=buckets)
    ends = np.cumsum(sizes[dirty]) // rows_max
    yield from np.split(dirty, np.flatnonzero(np.diff(ends)) + 1)


def _rows_in(
    side: Rows, columns: Sequence[str], places: list[Places], wanted: npt.NDArray[np.bool_]
) -> list[pa.RecordBatch]:
    """A side's rows in the wanted buckets. Raises ValueError when the side changed meanwhile."""
    found = []
    for batch, place in zip(side(), places, strict=True):
        if batch.num_rows != len(place):
            raise ValueError("a side gave other rows when it was read again")
        at = np.flatnonzero(wanted[place])
        if len(at):
            found.append(_plain(batch.select(columns).take(pa.array(at))))
    return found


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Dictionaries of two batches may number the same text differently."""
    columns = [
        one.dictionary_decode() if pa.types.is_dictionary(one.type) else one
        for one in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _unlike(
    lefts: Sequence[pa.RecordBatch], rights: Sequence[pa.RecordBatch], columns: Sequence[str]
) -> pa.Table:
    """Rows that come more often on one side, exactly. Columns: `columns`, side, times."""
    sides = [
        pa.Table.from_batches(some).append_column(TIMES, [_repeated(sign, some)])
        for sign, some in ((1, lefts), (-1, rights))
        if some
    ]
    both = pa.concat_tables(sides)
    sums = both.group_by(list(columns), use_threads=False).aggregate([(TIMES, "sum")])
    sums = sums.filter(pc.not_equal(sums[f"{TIMES}_sum"], 0))
    more = sums[f"{TIMES}_sum"]
    return (
        sums.select(list(columns))
        .append_column(SIDE, pc.if_else(pc.greater(more, 0), "left", "right"))
        .append_column(TIMES, pc.abs(more))
    )


def _repeated(sign: int, batches: Sequence[pa.RecordBatch]) -> pa.Array:
    return pa.repeat(pa.scalar(sign, pa.int64()), sum(batch.num_rows for batch in batches))


def _nothing(sides: tuple[Rows, Rows], columns: Sequence[str]) -> pa.Table:
    """No rows, in the shape of the first side that has a batch to tell it."""
    batch = next((batch for side in sides for batch in side()), None)
    fields = list(_plain(batch.select(columns)[:0]).schema) if batch is not None else []
    return pa.schema([*fields, (SIDE, pa.string()), (TIMES, pa.int64())]).empty_table()


def _ordered(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    if not rows.num_rows:
        return rows
    return rows.sort_by([(name, "ascending") for name in (*columns, SIDE)])


def _mix_column(hashes: Words, column: pa.Array) -> None:
    """Mix a column into rows' hashes, in place. Equal values mix alike in any batch."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        _mix_column(hashes, column.dictionary_decode())
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        _mix_texts(hashes, column)
    elif pa.types.is_decimal128(kind):
        _mix_fixed(hashes, column, words=2)
    elif pa.types.is_primitive(kind) and not pa.types.is_floating(kind):
        _mix(hashes, _integers(column))
        _mix_nulls(hashes, column)
    else:
        raise TypeError(f"a column of {kind} is not compared")


def _mix(hashes: Words, words: Words) -> None:
    hashes ^= words
    hashes *= _FACTOR
    hashes ^= hashes >> _SHIFT


def _mix_nulls(hashes: Words, column: pa.Array) -> None:
    if column.null_count:
        hashes[column.is_null().to_numpy(zero_copy_only=False)] ^= _NULL


def _integers(column: pa.Array) -> Words:
    """Integers, dates, instants and booleans as words; null as 0."""
    kind = column.type
    if pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    elif not pa.types.is_integer(kind):
        column = column.view(pa.int32() if kind.bit_width == 32 else pa.int64())
    if column.null_count:
        column = column.fill_null(0)
    numbers: npt.NDArray[np.int64] = column.to_numpy().astype(np.int64, copy=False)
    return numbers.view(np.uint64)


def _mix_fixed(hashes: Words, column: pa.Array, *, words: int) -> None:
    """Values of `words` whole words each (decimals)."""
    filled = column.fill_null(0) if column.null_count else column
    data = np.frombuffer(filled.buffers()[1], np.uint64).reshape(-1, words)
    for word in range(words):
        _mix(hashes, data[filled.offset : filled.offset + len(filled), word])
    _mix_nulls(hashes, column)


def _mix_texts(hashes: Words, column: pa.Array) -> None:
    """Texts as words of 8 bytes, the last padded with zeros and the first with the length in it.

    An empty text is one word of zeros; null has a length of its own.
    """
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int32, len(column) + 1, column.offset * 4)
    if not len(column):
        return
    sizes = np.diff(ends).astype(np.int64)
    lengths = sizes.view(np.uint64)
    if column.null_count:
        missing = column.is_null().to_numpy(zero_copy_only=False)
        sizes[missing] = 0
        lengths = np.where(missing, _NULL, lengths)
    first, last = int(ends[0]), int(ends[-1])
    if data is not None and data.size >= last + _WORD_BYTES:
        raw = np.frombuffer(data, np.uint8)[first : last + _WORD_BYTES]
    else:  # the last word would read beyond the buffer
        raw = np.zeros(last - first + _WORD_BYTES, np.uint8)
        if data is not None:
            raw[:-_WORD_BYTES] = np.frombuffer(data, np.uint8, last - first, first)
    shortest, longest = int(sizes.min()), int(sizes.max())
    if shortest == longest and not column.null_count:
        hashes ^= np.uint64((longest * int(_NULL)) & _ALL)
        _mix_even(hashes, raw, longest)
    else:
        hashes ^= lengths * _NULL
        _mix_uneven(hashes, raw, ends[:-1].astype(np.int64) - first, sizes)


def _mix_even(hashes: Words, raw: npt.NDArray[np.uint8], size: int) -> None:
    """Texts of one size, which lie end to end."""
    if not size:
        _mix(hashes, np.zeros(1, np.uint64))
        return
    loads = np.ndarray((len(raw) - _WORD_BYTES + 1,), "<u8", raw, strides=(1,))
    for at in range(0, size, _WORD_BYTES):
        words = loads[at::size][: len(hashes)]
        rest = size - at
        _mix(hashes, words if rest >= _WORD_BYTES else words & _MASKS[rest])


def _mix_uneven(
    hashes: Words,
    raw: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
) -> None:
    loads = np.ndarray((len(raw) - _WORD_BYTES + 1,), "<u8", raw, strides=(1,))
    _mix(hashes, loads[starts] & _MASKS[np.minimum(sizes, _WORD_BYTES)])
    for at in range(_WORD_BYTES, int(sizes.max()), _WORD_BYTES):
        longer = np.flatnonzero(sizes > at)
        words = loads[starts[longer] + at] & _MASKS[np.minimum(sizes[longer] - at, _WORD_BYTES)]
        some = hashes[longer]
        _mix(some, words)
        hashes[longer] = some
