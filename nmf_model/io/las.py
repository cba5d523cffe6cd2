"""Read LAS and LAZ, the formats of laser scanners in the air and on the ground."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nmf_model.io.collect import CHUNK_ROWS, Chunk
from nmf_model.io.opening import damaged, require_bytes, truncated
from nmf_model.words import counted

_COLORS = ("red", "green", "blue")


def read_las(path: Path) -> Iterator[Chunk]:
    """Yield the scaled coordinates, in float64, with the colours as in the file, if there are any."""
    import laspy

    _check_header(path)
    # The parallel decompressor allocates whatever chunk size the file claims; this one streams.
    with laspy.open(path, laz_backend=laspy.LazBackend.Lazrs) as reader:
        header, read = reader.header, 0
        if not header.are_points_compressed:
            record = header.point_format.size
            require_bytes(path, header.offset_to_point_data + header.point_count * record)
        colored = set(_COLORS) <= set(header.point_format.dimension_names)
        for rows in reader.chunk_iterator(CHUNK_ROWS):
            # The standard asks for 16 bits, but many programs store 0..255.
            colors = np.stack([np.asarray(rows[name]) for name in _COLORS], axis=1) if colored else None
            read += len(rows)
            yield Chunk(
                np.stack([np.asarray(rows.x), np.asarray(rows.y), np.asarray(rows.z)], axis=1), colors
            )
    if read < header.point_count:
        raise truncated(path, f"{read:,} of {counted(header.point_count, 'point')}")


def _check_header(path: Path) -> None:
    """Refuse counts of extra records that cannot fit: laspy would walk through all of them, for minutes.

    Offsets are those of the public header block of the LAS 1.4 specification.
    """
    with open(path, "rb") as stream:
        head = stream.read(375)
    if len(head) < 227 or not head.startswith(b"LASF"):
        raise damaged(path)
    header_size, points_start, records = struct.unpack_from("<HII", head, 94)
    fits = header_size + 54 * records <= points_start
    if head[25] >= 4 and len(head) >= 247:
        extra_start, extra_records = struct.unpack_from("<QI", head, 235)
        fits &= extra_records == 0 or extra_start + 60 * extra_records <= os.path.getsize(path)
    require_bytes(path, points_start)
    if not fits:
        raise damaged(path)
