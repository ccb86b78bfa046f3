"""What `/metrics` says, as a test reads it: by the names and labels that Prometheus would keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.make import House

PREFIX: Final = "senderkit_"


@dataclass(frozen=True)
class Figures:
    """Samples of one look."""

    samples: tuple[Sample, ...]

    def value(self, name: str, **labels: str) -> float:
        """The one sample of that name with exactly these labels; 0 where there is none."""
        found = [
            sample.value
            for sample in self.samples
            if sample.name in {name, PREFIX + name} and sample.labels == labels
        ]
        assert len(found) <= 1, found
        return found[0] if found else 0.0

    def by(self, name: str, label: str) -> dict[str, float]:
        """Every sample of that name by one of its labels."""
        return {
            sample.labels[label]: sample.value
            for sample in self.samples
            if sample.name == PREFIX + name
        }

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}


def parse(text: str) -> Figures:
    families = text_string_to_metric_families(text)
    return Figures(tuple(sample for family in families for sample in family.samples))


def figures(house: House) -> Figures:
    """What this machine reads."""
    answer = house.pages().get("/metrics")
    assert answer.status_code == 200, answer.text
    return parse(answer.text)
