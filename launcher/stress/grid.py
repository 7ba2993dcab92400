"""Which cells a campaign has: conditions x strengths x subjects x seeds, with a clean cell a subject beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from launcher.stress.settings import StressSettings
from steadyface.errors import InputError
from steadyface.studio.conditions import Trial
from steadyface.studio.stress_conditions import CLEAN

GRIDS = ("full", "strengths", "quick")


@dataclass(frozen=True)
class CellKey:
    """What tells a cell from the others: world, condition, strength, number of the subject, seed."""

    world: str
    condition: str
    strength: float
    subject: int
    seed: int

    @property
    def name(self) -> str:
        """Of its folder.

        >>> CellKey("studio", "flicker", 0.75, 0, 0).name
        'flicker-0.75-subject0-seed0'
        """
        where = "" if self.world == "studio" else f"{self.world}-"
        return f"{where}{self.condition}-{self.strength:g}-subject{self.subject}-seed{self.seed}"

    @property
    def trial(self) -> Trial:
        """The same for whoever films it."""
        return Trial(self.condition, self.strength, self.seed)


def plan_cells(
    conditions: Sequence[StressSettings], subjects: Sequence[int], grid: str, world: str = "studio"
) -> dict[CellKey, StressSettings]:
    """Every cell of a grid with its settings, those that are told apart best first.

    Args:
        conditions: one file each.
        subjects: their numbers.
        grid: ``quick``: the strong strength on the first subject; ``strengths``: all strengths on the first subject;
            ``full``: those, and the mild and the strong one on every subject.
        world: who films.

    Raises:
        InputError: another grid.
    """
    if grid not in GRIDS:
        raise InputError("--grid", f"one of {', '.join(GRIDS)}", grid, "choose one of them")
    cells: dict[CellKey, StressSettings] = {}
    everyone = subjects if grid == "full" else subjects[:1]

    def add(strength_of: str, some: Sequence[int]) -> None:
        for subject in some:
            for one in conditions:
                wanted = one.strengths if strength_of == "strengths" else [getattr(one, strength_of)]
                for strength in wanted:
                    for seed in one.seeds:
                        cells.setdefault(CellKey(world, one.condition, float(strength), subject, seed), one)

    for subject in everyone:
        for seed in conditions[0].seeds:
            cells[CellKey(world, CLEAN, 0.0, subject, seed)] = conditions[0]
    add("strong", everyone)
    if grid == "full":
        add("mild", everyone)
    if grid != "quick":
        add("strengths", subjects[:1])
    return cells
