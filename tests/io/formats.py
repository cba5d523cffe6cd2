"""Write clouds in every format that is read, by means other than the code under test where there are any."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np


def lzf_compress(data: bytes) -> bytes:
    """Pack with LZF, using literals and a greedy search for copies of four bytes or more."""
    out, position, literals, seen = bytearray(), 0, bytearray(), {}

    def flush():
        for start in range(0, len(literals), 32):
            piece = literals[start : start + 32]
            out.append(len(piece) - 1)
            out.extend(piece)
        literals.clear()

    while position < len(data):
        key = data[position : position + 4]
        match = seen.get(key, -1)
        seen[key] = position
        if len(key) == 4 and match >= 0 and position - match <= 8192:
            length = 4
            while (
                length < 264
                and position + length < len(data)
                and data[match + length] == data[position + length]
            ):
                length += 1
            flush()
            back, code = position - match - 1, length - 2
            if code < 7:
                out.append(code << 5 | back >> 8)
            else:
                out += bytes([7 << 5 | back >> 8, code - 7])
            out.append(back & 255)
            position += length
        else:
            literals.append(data[position])
            position += 1
    flush()
    return bytes(out)


def _text(points, delimiter=" ", head=""):
    return (head + "\n".join(delimiter.join(repr(float(x)) for x in row) for row in points) + "\n").encode()


def _ply(points, kind, order):
    names = {"<": "binary_little_endian", ">": "binary_big_endian", "": "ascii"}
    word = {"f4": "float", "f8": "double"}[kind]
    head = f"ply\nformat {names[order]} 1.0\ncomment made for a test\nelement vertex {len(points)}\n"
    head += "".join(f"property {word} {axis}\n" for axis in "xyz") + "end_header\n"
    return head.encode() + (_text(points) if not order else points.astype(order + kind).tobytes())


def pcd(points, data, kind="F8"):
    """Return a PCD file of one row; ``data`` is ascii, binary or binary_compressed."""
    size, dtype = int(kind[1]), f"<f{kind[1]}"
    head = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS x y z\n"
        f"SIZE {size} {size} {size}\nTYPE F F F\nCOUNT 1 1 1\nWIDTH {len(points)}\nHEIGHT 1\n"
        f"VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(points)}\nDATA {data}\n"
    ).encode()
    if data == "ascii":
        return head + _text(points)
    if data == "binary":
        return head + points.astype(dtype).tobytes()
    raw = np.ascontiguousarray(points.T.astype(dtype)).tobytes()
    packed = lzf_compress(raw)
    return head + struct.pack("<II", len(packed), len(raw)) + packed


def _obj(points):
    return b"".join(b"v " + line + b"\n" for line in _text(points).splitlines())


def _npz(path, points):
    np.savez_compressed(path, points=points, labels=np.zeros(len(points)))


def _las(path, points):
    import laspy

    header = laspy.LasHeader(point_format=3, version="1.2")
    header.offsets = points.min(axis=0)
    header.scales = np.ptp(points, axis=0) / 1e9
    las = laspy.LasData(header)
    las.x, las.y, las.z = points.T
    las.write(path)


def _glb(path, points):
    import trimesh

    origin = points.mean(axis=0)
    matrix = np.eye(4)
    matrix[:3, 3] = origin
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.PointCloud(points - origin), transform=matrix)
    Path(path).write_bytes(scene.export(file_type="glb"))


def _bytes(make):
    return lambda path, points: Path(path).write_bytes(make(points))


EXACT, LOCAL, SINGLE = "exact", "float32 or a billionth of the size", "float32"

WRITERS = {
    "space.xyz": (_bytes(_text), EXACT),
    "plain.pts": (_bytes(_text), EXACT),
    "counted.pts": (_bytes(lambda p: _text(p, head=f"{len(p)}\n")), EXACT),
    "space.asc": (_bytes(_text), EXACT),
    "tab.txt": (_bytes(lambda p: _text(p, "\t")), EXACT),
    "comma.csv": (_bytes(lambda p: _text(p, ",", "x,y,z\n")), EXACT),
    "semicolon.csv": (_bytes(lambda p: _text(p, ";")), EXACT),
    "shuffled.csv": (_bytes(lambda p: _text(np.c_[p[:, 2], p[:, 0] * 0, p[:, :2]], ",", "Z,i,X,Y\n")), EXACT),
    "commas.csv": (_bytes(lambda p: _text(p, ";", "X;Y;Z\n").replace(b".", b",")), EXACT),
    "commas.asc": (_bytes(lambda p: _text(p, "\t").replace(b".", b",")), EXACT),
    "cloud.npy": (np.save, EXACT),
    "fortran.npy": (lambda path, p: np.save(path, np.asfortranarray(p)), EXACT),
    "cloud.npz": (_npz, EXACT),
    "ascii.ply": (_bytes(lambda p: _ply(p, "f8", "")), EXACT),
    "little.ply": (_bytes(lambda p: _ply(p, "f8", "<")), EXACT),
    "big.ply": (_bytes(lambda p: _ply(p, "f8", ">")), EXACT),
    "single.ply": (_bytes(lambda p: _ply(p, "f4", "<")), SINGLE),
    "cloud.obj": (_bytes(lambda p: _obj(p)), EXACT),
    "cloud.off": (_bytes(lambda p: _text(p, head=f"OFF\n{len(p)} 0 0\n")), EXACT),
    "ascii.pcd": (_bytes(lambda p: pcd(p, "ascii")), EXACT),
    "binary.pcd": (_bytes(lambda p: pcd(p, "binary")), EXACT),
    "compressed.pcd": (_bytes(lambda p: pcd(p, "binary_compressed")), EXACT),
    "single.pcd": (_bytes(lambda p: pcd(p, "binary", "F4")), SINGLE),
    "cloud.las": (_las, LOCAL),
    "cloud.laz": (_las, LOCAL),
    "cloud.glb": (_glb, LOCAL),
}


def tolerance(precision, points):
    """Return how far a coordinate may be off."""
    if precision == SINGLE:
        return 1e-7 * np.abs(points).max()
    return 0.0 if precision == EXACT else 1e-7 * np.ptp(points, axis=0).max() + 1e-15 * np.abs(points).max()
