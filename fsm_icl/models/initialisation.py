"""How a recurrent layer's matrices start, as one word of a sweep file: `orthogonal`, `identity`, `0.9*identity`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args

from pydantic import AfterValidator, WithJsonSchema

if TYPE_CHECKING:
    import torch

Kind = Literal["orthogonal", "identity", "concatenated_xavier"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_FORM = re.compile(rf"(?:([0-9]*\.?[0-9]+(?:e-?[0-9]+)?)\*)?({'|'.join(KINDS)})")


@dataclass(frozen=True)
class Start:
    """How the input matrix W and the recurrent matrix U of a layer (D, D) start.

    orthogonal           W Xavier uniform; U = gain * a random orthogonal matrix (Saxe et al. 2014)
    identity             W Xavier uniform; U = gain * I: units keep their state (Le et al. 2015)
    concatenated_xavier  [W U] Xavier normal as one (D, 2 D) matrix, times gain: entries of variance 2 / (3 D)
    """

    kind: Kind
    gain: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Start:
        """From a sweep file's word. Raises ValueError with the words there are."""
        found = _FORM.fullmatch(text)
        gain = float(found[1] or 1) if found else 0.0
        if found is None or not 0 < gain < 1000:
            raise ValueError(f"expected {', '.join(KINDS)}, or one of them scaled, such as 0.9*identity")
        return cls(cast(Kind, found[2]), gain)

    def __str__(self) -> str:
        """The word that `parse` reads, one for each start."""
        return self.kind if self.gain == 1 else f"{self.gain:g}*{self.kind}"

    def fill_input(self, block: torch.Tensor, generator: torch.Generator) -> None:
        """Set W in place."""
        from torch import nn  # here, so that a spec can be read without torch

        if self.kind == "concatenated_xavier":
            self._fill_concatenated(block, generator)
        else:
            nn.init.xavier_uniform_(block, generator=generator)

    def fill_recurrent(self, block: torch.Tensor, generator: torch.Generator) -> None:
        """Set U in place."""
        from torch import nn

        if self.kind == "concatenated_xavier":
            self._fill_concatenated(block, generator)
        elif self.kind == "identity":
            nn.init.eye_(block).mul_(self.gain)
        else:
            nn.init.orthogonal_(block, self.gain, generator=generator)

    def _fill_concatenated(self, block: torch.Tensor, generator: torch.Generator) -> None:
        block.normal_(0.0, self.gain * math.sqrt(2 / (3 * block.shape[0])), generator=generator)


ORTHOGONAL = Start("orthogonal")

Init = Annotated[
    str,
    AfterValidator(lambda text: str(Start.parse(text))),
    WithJsonSchema({"type": "string", "pattern": f"^{_FORM.pattern}$", "examples": [*KINDS, "0.9*identity"]}),
]
"""A start as a field of a spec; spelled one way, so that equal starts are equal trials."""
