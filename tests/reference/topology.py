"""Naive oracle for the connectivity of a triangle mesh."""

from __future__ import annotations

from collections import Counter, defaultdict


def _groups(items, linked) -> int:
    items, count = set(items), 0
    while items:
        count += 1
        queue = [items.pop()]
        while queue:
            here = queue.pop()
            near = {other for other in items if linked(here, other)}
            items -= near
            queue += near
    return count


def analyse(faces) -> dict[str, int | bool]:
    faces = [tuple(int(v) for v in face) for face in faces]
    sides = [(f[k], f[(k + 1) % 3]) for f in faces for k in range(3) if f[k] != f[(k + 1) % 3]]
    uses = Counter(frozenset(side) for side in sides)
    around = defaultdict(list)
    for index, face in enumerate(faces):
        for vertex in set(face):
            around[vertex].append(index)

    def share_edge_at(vertex):
        def edges(i):
            face = faces[i]
            pairs = (frozenset((face[k], face[(k + 1) % 3])) for k in range(3))
            return {edge for edge in pairs if vertex in edge and len(edge) == 2}

        return lambda i, j: bool(edges(i) & edges(j))

    return {
        "used_vertices": len(around),
        "edges": len(uses),
        "components": _groups(range(len(faces)), lambda i, j: bool(set(faces[i]) & set(faces[j]))),
        "euler_characteristic": len(around) - len(uses) + len(faces),
        "watertight": all(n == 2 for n in uses.values()),
        "winding_consistent": all(n == 1 for n in Counter(sides).values()),
        "nonmanifold_edges": sum(n != 2 for n in uses.values()),
        "nonmanifold_vertices": sum(
            _groups(members, share_edge_at(vertex)) > 1 for vertex, members in around.items()
        ),
    }
