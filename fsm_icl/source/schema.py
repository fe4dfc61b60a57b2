"""What has to stand in the source's files: types as JSON has them, accuracies as fractions, histories of one length."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from fsm_icl.source.content import SourceError, quoted

Read = TypeVar("Read", bound=BaseModel)


def parsed(model: type[Read], content: Any, place: str) -> Read:
    """`content` as a `model`. Raises SourceError with the first thing that is wrong; `place` stands before its name."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = f"{place}{'.'.join(map(str, first['loc']))}".rstrip(".")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        missing = first["type"] == "missing"
        what = first["msg"].removeprefix("Value error, ")
        value = first["input"]
        found = "" if missing or isinstance(value, dict | BaseModel) else f"found {quoted(value)}; "
        raise SourceError(f"{where}: {found}{'is missing' if missing else what}{more}") from None


def _fraction(value: float) -> float:
    if 0 <= value <= 1:
        return value
    percent = f" ({value:g} % is {value / 100:g})" if 1 < value <= 100 else ""
    raise ValueError(f"expected a fraction from 0 to 1{percent}")


def _date(text: str) -> str:
    try:
        datetime.strptime(text, "%Y%m%d_%H%M%S")
    except ValueError:
        raise ValueError("expected a time as YYYYMMDD_HHMMSS") from None
    return text


Accuracy = Annotated[float, AfterValidator(_fraction)]
Loss = Annotated[float, Field(ge=0)]
Whole = Annotated[int, Field(ge=1, le=10**12)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,100}$")]
Losses = Annotated[list[Loss], Field(min_length=1)]
Accuracies = Annotated[list[Accuracy], Field(min_length=1)]


class Part(BaseModel):
    """Types are as JSON has them, no "3" for 3; keys that we do not know are left alone."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class SourceModel(Part):
    """Its `model_config`; num_states there is padded to 8, so it is not the machines'."""

    d_model: Whole
    num_layers: Whole
    parameter_count: Whole | None = None


class Training(Part):
    """Its `training_config`."""

    batch_size: Whole | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    num_epochs: Whole | None = None


class Curves(Part):
    """One number an epoch."""

    train_losses: Losses
    val_losses: Losses
    train_accs: Accuracies
    val_accs: Accuracies

    @model_validator(mode="after")
    def _equally_long(self) -> Curves:
        lengths = {name: len(values) for name, values in self.by_metric().items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{_HISTORIES[name]} {count}" for name, count in lengths.items())
            raise ValueError(f"the histories differ in length: {told}")
        return self

    def by_metric(self) -> dict[str, list[float]]:
        """Our metrics -> values by epoch."""
        return {name: getattr(self, theirs) for name, theirs in _HISTORIES.items()}

    def rows(self) -> tuple[dict[str, float], ...]:
        """By epoch, our metrics."""
        columns = self.by_metric()
        return tuple(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


_HISTORIES = {
    "train/loss": "train_losses",
    "train/accuracy": "train_accs",
    "val/loss": "val_losses",
    "val/accuracy": "val_accs",
}


class FinalResults(Part):
    """Accuracies that need not equal the last ones of the history."""

    test_accuracy: Accuracy
    val_accuracy: Accuracy | None = None
    train_accuracy: Accuracy | None = None

    def known(self) -> dict[str, float]:
        """Those of the three that the file has."""
        values = {name: getattr(self, name) for name in ("train_accuracy", "val_accuracy", "test_accuracy")}
        return {name: value for name, value in values.items() if value is not None}


class MetricsFile(Part):
    """A *_metrics.json."""

    experiment: Name
    timestamp: Annotated[str, AfterValidator(_date)]
    checkpoint_name: str | None = None
    curriculum_info: dict[str, Any] | None = None
    size: SourceModel = Field(alias="model_config")
    training_config: Training = Training()
    training_history: Curves
    final_results: FinalResults


class CurveEntry(Curves):
    """What training_curves_data.json has of one architecture and training."""

    epochs: Annotated[list[Whole], Field(min_length=1)]
    final_test_accuracy: Accuracy

    @model_validator(mode="after")
    def _rising(self) -> CurveEntry:
        if len(self.epochs) != len(self.val_accs):
            raise ValueError(f"epochs has {len(self.epochs)} entries, val_accs {len(self.val_accs)}")
        if any(later <= earlier for earlier, later in zip(self.epochs, self.epochs[1:], strict=False)):
            raise ValueError("epochs do not rise")
        return self


class CurveName(Part):
    """The keys above a CurveEntry."""

    arch: Name
    training: Name
