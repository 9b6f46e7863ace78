"""What a node exposes at /metrics, taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterable


class Exposed(NamedTuple):
    """A metric as it is exposed: its name with the suffix of a counter, without those of a histogram."""

    name: str
    kind: str
    labels: frozenset[str]
    help: str


def exposed(texts: Iterable[str]) -> dict[str, Exposed]:
    """The metrics in these expositions, by name; what Prometheus adds (``le``, ``_created``) left out."""
    found: dict[str, Exposed] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            if family.name.endswith("_created"):
                continue
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = frozenset(label for sample in family.samples for label in sample.labels) - {"le"}
            known = found.get(name)
            found[name] = Exposed(name, family.type, labels | (known.labels if known else set()), family.documentation)
    return found


def series_names(metrics: dict[str, Exposed]) -> dict[str, frozenset[str]]:
    """The names under which the metrics are asked for, with the labels that each has."""
    names: dict[str, frozenset[str]] = {}
    for metric in metrics.values():
        if metric.kind == "histogram":
            names |= {f"{metric.name}_count": metric.labels, f"{metric.name}_sum": metric.labels}
            names[f"{metric.name}_bucket"] = metric.labels | {"le"}
        else:
            names[metric.name] = metric.labels
    return names
