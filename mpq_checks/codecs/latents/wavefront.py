"""The order in which a context model codes latents, for many at once.

A latent's context is the two rows above it, two columns to either side, and the two latents to
its left. So a row may run three columns behind the row above: all latents with equal
`column + 3 * row` depend on earlier ones only, and are coded in one step, those of all images of
a batch together. A step's latents stand in the order of images, then rows; an image's own order
is the same in any batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BORDER", "TAPS", "Wavefront"]

BORDER = 2
"""Zeros above, left and right of each image's latents."""

TAPS = tuple(
    (row, column) for row in (-2, -1, 0) for column in range(-2, 3) if row < 0 or column < 0
)
"""Where the 12 neighbours in the context lie: rows and columns from the latent."""

_LAG = 3


@dataclass(frozen=True, eq=False)
class Step:
    """One step.

    Attributes:
        start: its first latent in the wavefront's order.
        stop: the one after its last.
        shares: image and the range of its latents, as numbers within the step.
    """

    start: int
    stop: int
    shares: tuple[tuple[int, int, int], ...]


class Wavefront:
    """The order for images with latents of these heights and widths.

    Attributes:
        num_cells: rows of the buffer that holds all images' latents and their borders, a latent
            vector a row.
        cells: where each latent lies in it, in wavefront order.
        taps: where its neighbours lie, latents x 12.
        steps: which latents are coded at once.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Plan the steps."""
        image, row, column = (np.concatenate(part) for part in zip(*_grids(sizes), strict=True))
        step = column + _LAG * row
        order = np.lexsort((row, image, step))
        self._image, row, column, step = image[order], row[order], column[order], step[order]
        widths = np.array([width + 2 * BORDER for _, width in sizes])
        areas = [
            (height + BORDER) * width for (height, _), width in zip(sizes, widths, strict=True)
        ]
        bases = np.concatenate(([0], np.cumsum(areas)))
        self.num_cells = int(bases[-1])
        stride = widths[self._image]
        self.cells = bases[self._image] + (row + BORDER) * stride + column + BORDER
        down, right = np.array(TAPS).T
        self.taps = self.cells[:, None] + stride[:, None] * down + right
        # Where each latent stands among its image's own, row by row.
        self._raster = row * (stride - 2 * BORDER) + column
        self.steps = self._steps(step)

    def gather(self, rasters: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        """Values of all images in wavefront order, from arrays latents x channels, row by row."""
        bases = np.concatenate(([0], np.cumsum([len(raster) for raster in rasters])))
        gathered: npt.NDArray[np.float64] = np.concatenate(rasters)[
            bases[self._image] + self._raster
        ]
        return gathered

    def split(self, values: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
        """Values in wavefront order, by image; each image's keep that order."""
        return [values[self._image == image] for image in range(int(self._image.max()) + 1)]

    def rasters(self, values: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
        """The way back of `gather`."""
        rasters = []
        for image in range(int(self._image.max()) + 1):
            mine = self._image == image
            raster = np.empty_like(values[mine])
            raster[self._raster[mine]] = values[mine]
            rasters.append(raster)
        return rasters

    def _steps(self, step: npt.NDArray[np.int64]) -> tuple[Step, ...]:
        # A share begins where the step or the image changes.
        changes = np.flatnonzero(np.diff(step) | np.diff(self._image)) + 1
        starts = np.concatenate(([0], changes))
        stops = np.concatenate((changes, [len(step)]))
        steps: list[Step] = []
        shares: list[tuple[int, int, int]] = []
        first = 0
        for position, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            shares.append((int(self._image[start]), int(start) - first, int(stop) - first))
            last = position == len(starts) - 1
            if last or step[starts[position + 1]] != step[start]:
                steps.append(Step(first, int(stop), tuple(shares)))
                first, shares = int(stop), []
        return tuple(steps)


def _grids(
    sizes: Sequence[tuple[int, int]],
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    grids = []
    for image, (height, width) in enumerate(sizes):
        row, column = (axis.ravel() for axis in np.mgrid[:height, :width])
        grids.append((np.full(row.size, image), row, column))
    return grids
