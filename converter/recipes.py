"""How a classifier is trained: the paper's recipe, and ours."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides a training, apart from the pictures and the initial weights."""

    name: Literal["default", "paper"]
    epochs: int
    batch: int
    learning_rate: float
    copies: int
    """Crops of each face in an epoch: the first one as the device would cut it, the others varied, anew each epoch."""
    split: Literal["groups", "random"]
    """Whether near-duplicates stay on one side of the split."""
    test_part: float
    """Of the single faces: never trained on, only reported."""
    held_out_part: float
    """Of what is trained with: chooses the epoch that is kept. With 0 the last one is kept."""
    patience: int
    """Epochs without a better one on the held-out part after which training stops; at least a later cycle's."""
    cycles: int = 1
    """Times that the learning rate rises and falls: the first is twice as long as each of the others."""
    seed: int = 0
    """Decides the initial head and all variation."""
    split_seed: int = 0
    """Decides the split."""
    limit: int | None = None
    """At most so many pictures of each folder, for a quick try."""

    @property
    def frozen_backbone(self) -> bool:
        """Whether only the head is trained, on undistorted float features, as in the paper."""
        return self.name == "paper"

    @property
    def later_cycle(self) -> int:
        """Epochs of each cycle of the learning rate but the first."""
        return self.epochs // (self.cycles + 1)

    @property
    def cycle_ends(self) -> tuple[int, ...]:
        """The epochs, counted from 1, with which a cycle of the learning rate ends; too few epochs have one cycle."""
        later = self.later_cycle
        return (*range(self.epochs - later * (self.cycles - 1), self.epochs, max(later, 1)), self.epochs)


DEFAULT = Recipe(
    name="default",
    epochs=12,
    batch=64,
    learning_rate=3e-4,
    copies=4,
    split="groups",
    test_part=0.2,
    held_out_part=0.1,
    patience=3,
    cycles=3,
)
"""Fine-tunes the backbone's last blocks on what the device's own code makes of a frame."""

PAPER = Recipe(
    name="paper",
    epochs=20,
    batch=32,
    learning_rate=1e-4,
    copies=1,
    split="random",
    test_part=0.2,
    held_out_part=0.0,
    patience=20,
)
"""Mercaldo and Santone (2021): frozen backbone, Adam 1e-4, 20 epochs, batches of 32, a random split of 80 to 20."""

RECIPES = {"default": DEFAULT, "paper": PAPER}
