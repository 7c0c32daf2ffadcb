"""Compiled loops that keep the k best neighbours while they search a cell list.

Atoms are named by their place in cell order: what lies together in space lies together in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np

from cgcnn_md.kernels import CACHE

_BLOCK = 16  # cells that a thread takes at a time
_A_LITTLE_MORE = 1.12  # of a squared distance
_ROOM = 1024  # atoms that 27 cells hold before a buffer has to grow
_RANKED = 128  # candidates; a power of two
_NO_RADIUS = 1e-24  # a squared radius in Å² that is none: more than k atoms at one point
_WORTH_THREADS = 500  # fewer centres are done before other threads have woken up

_parallel = numba.njit(cache=CACHE, parallel=True, fastmath={"contract", "nsz"})


@contextmanager
def threads_for(n_centres: int) -> Iterator[None]:
    """Let loops over few centres run in this thread alone.

    Not by compiling them twice: numba's cache on disk does not tell a parallel function from its serial twin.
    """
    before = numba.get_num_threads()
    if n_centres < _WORTH_THREADS:
        numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


@numba.njit(cache=CACHE)
def _rank(d2: Any, who: Any, n: int, best: Any, names: Any, single: Any, key: Any) -> int:
    """Sort few candidates: each counts those before it, which needs no branch."""
    for a in range(n):
        single[a] = d2[who[a]]
    for a in range(n):  # no two alike: the last bits tell the candidate
        key[a] = (key[a] & -_RANKED) | a
    for a in range(n):
        before = np.int32(0)
        for b in range(n):
            before += np.int32(key[b] < key[a])
        names[before] = who[a]
    for a in range(n):  # what single precision, less those bits, could not tell apart
        exact, name, at = d2[names[a]], names[a], a
        while at > 0 and best[at - 1] > exact:
            best[at] = best[at - 1]
            names[at] = names[at - 1]
            at -= 1
        best[at], names[at] = exact, name
    return n


@numba.njit(cache=CACHE)
def _insert(d2: Any, who: Any, n: int, room: int, best: Any, names: Any) -> int:
    """Insert candidates into a sorted list of bounded length; give how many it holds."""
    held = 0
    for a in range(n):
        exact = d2[who[a]]
        if held == room and exact >= best[room - 1]:
            continue
        at = held if held < room else room - 1
        while at > 0 and best[at - 1] > exact:
            best[at] = best[at - 1]
            names[at] = names[at - 1]
            at -= 1
        best[at], names[at] = exact, who[a]
        if held < room:
            held += 1
    return held


@numba.njit(cache=CACHE)
def _grown(old: Any, size: int) -> Any:
    new = np.empty(size, old.dtype)
    new[: len(old)] = old
    return new


@_parallel
def near(
    cells: Any, first: Any, centres: Any, x: Any, y: Any, z: Any, start: Any, grid: Any, cell: Any, pbc: Any,
    reach: float, index: Any, distance: Any, radius: Any,
) -> None:  # fmt: skip
    """Look for the k best of each centre within `reach` in its cell and the 26 around it.

    ``centres[first[g]:first[g + 1]]`` lie in ``cells[g]``; rows of the results go by centre. The radius is -1
    where fewer than k + 1 were found.
    """
    n_cells = len(cells)
    k = index.shape[1]
    reach2 = reach * reach
    for block in numba.prange((n_cells + _BLOCK - 1) // _BLOCK):
        room = _ROOM
        bx, by, bz = np.empty(room), np.empty(room), np.empty(room)
        d2 = np.empty(room)
        who, near = np.empty(room, np.int32), np.empty(room, np.int32)
        best, names = np.empty(max(k + 1, _RANKED)), np.empty(max(k + 1, _RANKED), np.int32)
        single = np.empty(_RANKED, np.float32)
        key = single.view(np.int32)
        last = np.inf
        for g in range(block * _BLOCK, min(n_cells, (block + 1) * _BLOCK)):
            home_z = cells[g] % grid[2]
            home_y = (cells[g] // grid[2]) % grid[1]
            home_x = cells[g] // (grid[2] * grid[1])
            # gather the surroundings once, in place, for all centres of the cell
            n = 0
            home = 0
            for dx in range(-1, 2):
                sx = (home_x + dx) // grid[0]
                if sx != 0 and not pbc[0]:
                    continue
                for dy in range(-1, 2):
                    sy = (home_y + dy) // grid[1]
                    if sy != 0 and not pbc[1]:
                        continue
                    for dz in range(-1, 2):
                        sz = (home_z + dz) // grid[2]
                        if sz != 0 and not pbc[2]:
                            continue
                        c = home_x + dx - sx * grid[0]
                        c = c * grid[1] + home_y + dy - sy * grid[1]
                        c = c * grid[2] + home_z + dz - sz * grid[2]
                        low, high = start[c], start[c + 1]
                        if n + high - low > room:
                            room = 2 * (n + high - low)
                            bx, by, bz = _grown(bx, room), _grown(by, room), _grown(bz, room)
                            who, near = _grown(who, room), np.empty(room, np.int32)
                            d2 = np.empty(room)
                        if dx == 0 and dy == 0 and dz == 0:
                            home = n - low
                        ox = sx * cell[0, 0] + sy * cell[1, 0] + sz * cell[2, 0]
                        oy = sx * cell[0, 1] + sy * cell[1, 1] + sz * cell[2, 1]
                        oz = sx * cell[0, 2] + sy * cell[1, 2] + sz * cell[2, 2]
                        for s in range(low, high):
                            bx[n + s - low] = x[s] + ox
                            by[n + s - low] = y[s] + oy
                            bz[n + s - low] = z[s] + oz
                            who[n + s - low] = s
                        n += high - low
            for row in range(first[g], first[g + 1]):
                i = centres[row]
                for a in range(n):
                    ux, uy, uz = bx[a] - x[i], by[a] - y[i], bz[a] - z[i]
                    d2[a] = ux * ux + uy * uy + uz * uz
                d2[home + i] = np.inf  # the atom itself; its images count
                # what the last centre needed and a little more: fewer candidates to sort, and seldom too few
                limit = min(reach2, _A_LITTLE_MORE * last)
                inside = 0
                while True:
                    for a in range(n):  # without a branch, which would be guessed wrong half of the time
                        near[inside] = a
                        inside += d2[a] < limit
                    if inside > k or limit == reach2:
                        break
                    limit, inside = reach2, 0
                if inside <= _RANKED:
                    held = _rank(d2, near, inside, best, names, single, key)
                else:
                    held = _insert(d2, near, inside, k + 1, best, names)
                last = best[k] if held > k else np.inf
                radius[row] = math.sqrt(last) if held > k else -1.0
                for e in range(k):
                    if e < held:
                        index[row, e] = who[names[e]]
                        distance[row, e] = math.sqrt(best[e])
                    else:
                        index[row, e] = -1
                        distance[row, e] = np.inf


@_parallel
def far(
    rows: Any, centres: Any, cutoff: float, x: Any, y: Any, z: Any, start: Any, cell_of: Any, grid: Any, cell: Any,
    pbc: Any, heights: Any, index: Any, distance: Any, radius: Any,
) -> None:  # fmt: skip
    """Look for the k best of some rows, shell by shell until the cells seen must hold them."""
    k = index.shape[1]
    cutoff2 = cutoff * cutoff
    side = heights.min()
    for at_row in numba.prange(len(rows)):
        row = rows[at_row]
        i = centres[row]
        best = np.full(k + 1, cutoff2, np.float64)
        who = np.full(k + 1, -1, np.int64)
        home = np.array([cell_of[i] // (grid[1] * grid[2]), cell_of[i] // grid[2] % grid[1], cell_of[i] % grid[2]])
        old = np.full(3, -1, np.int64)
        new = np.empty(3, np.int64)
        shell = 0
        while True:
            reach = True  # does this block already hold the whole of every non-periodic direction?
            for d in range(3):
                new[d] = math.ceil(shell * side / heights[d])
                if pbc[d] or home[d] - new[d] > 0 or home[d] + new[d] < grid[d] - 1:
                    reach = False
            for dx in range(-new[0], new[0] + 1):
                cx = home[0] + dx
                sx = cx // grid[0]
                if sx != 0 and not pbc[0]:
                    continue
                for dy in range(-new[1], new[1] + 1):
                    cy = home[1] + dy
                    sy = cy // grid[1]
                    if sy != 0 and not pbc[1]:
                        continue
                    inside = abs(dx) <= old[0] and abs(dy) <= old[1]
                    for dz in range(-new[2], new[2] + 1):
                        if inside and abs(dz) <= old[2]:
                            continue
                        cz = home[2] + dz
                        sz = cz // grid[2]
                        if sz != 0 and not pbc[2]:
                            continue
                        c = ((cx - sx * grid[0]) * grid[1] + cy - sy * grid[1]) * grid[2] + cz - sz * grid[2]
                        ox = sx * cell[0, 0] + sy * cell[1, 0] + sz * cell[2, 0] - x[i]
                        oy = sx * cell[0, 1] + sy * cell[1, 1] + sz * cell[2, 1] - y[i]
                        oz = sx * cell[0, 2] + sy * cell[1, 2] + sz * cell[2, 2] - z[i]
                        for s in range(start[c], start[c + 1]):
                            ux, uy, uz = x[s] + ox, y[s] + oy, z[s] + oz
                            d2 = ux * ux + uy * uy + uz * uz
                            if d2 >= best[k]:
                                continue
                            if s == i and sx == 0 and sy == 0 and sz == 0:
                                continue
                            at = k
                            while at > 0 and best[at - 1] > d2:
                                best[at] = best[at - 1]
                                who[at] = who[at - 1]
                                at -= 1
                            best[at] = d2
                            who[at] = s
            covered = shell * side
            if reach or covered * covered >= best[k]:
                break
            old[:] = new
            shell += 1
        radius[row] = math.sqrt(best[k])
        for e in range(k):
            index[row, e] = who[e]
            distance[row, e] = math.sqrt(best[e]) if who[e] >= 0 else np.inf


@numba.njit(cache=CACHE)
def unseen(index: Any, number: Any) -> Any:
    """Collect, each once, the neighbours that have no number yet; they get -1."""
    found = np.empty(min(index.size, len(number)), np.int64)
    n = 0
    for i in index.flat:
        if i >= 0 and number[i] == 0:
            number[i] = -1
            found[n] = i
            n += 1
    return found[:n]


@_parallel
def edges(index: Any, distance: Any, radius: Any, number: Any, out: Any, length: Any, weight: Any) -> None:
    """Finish edges: neighbours renumbered, distances, and weights ``(1 - (d / r)^6)^2``; all 0 where masked."""
    n, k = index.shape
    for row in numba.prange(n):
        scale = 1.0 / max(radius[row] * radius[row], _NO_RADIUS)
        for e in range(k):
            if index[row, e] < 0:
                out[row, e], length[row, e], weight[row, e] = 0, 0.0, 0.0
                continue
            d = distance[row, e]
            q = min(d * d * scale, 1.0)
            fade = 1.0 - q * q * q
            out[row, e] = number[index[row, e]] - 1
            length[row, e] = d
            weight[row, e] = fade * fade
