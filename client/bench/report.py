"""What a bench measured, as a table and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from client.render import line, table

if TYPE_CHECKING:
    from client.bench.run import Report, Row

P50, P99 = 0.5, 0.99


def show(report: Report) -> None:
    """Print a line for each case."""
    rows = [(row.case.name, row.case.what, *_figures(report, row)) for row in report.rows]
    table(("case", "one operation", "operations/s", "requests/s", "p50 ms", "p99 ms", "errors", ""), rows)
    line(
        f"nodes: {', '.join(report.nodes)}. The generator, {report.processes} processes, reaches {report.ceiling:,.0f} "
        "requests/s against a server that does nothing."
    )
    for row in report.rows:
        if row.measured is not None and row.measured.errors:
            line(f"{row.case.name}, first error: {row.measured.first_error}")


def _figures(report: Report, row: Row) -> tuple[str, str, str, str, str, str]:
    measured = row.measured
    if measured is None:
        return "", "", "", "", "", f"skipped: {row.skipped}"
    return (
        f"{measured.per_second * row.case.operations:,.0f}",
        f"{measured.per_second:,.0f}",
        f"{measured.quantile_ms(P50):.2f}",
        f"{measured.quantile_ms(P99):.2f}",
        f"{measured.errors}",
        "near the generator's own limit" if report.is_near(row) else "",
    )


def as_json(report: Report) -> dict[str, Any]:
    """For programs."""
    return {
        "nodes": report.nodes,
        "generator": {"processes": report.processes, "ceiling_per_second": round(report.ceiling, 1)},
        "cases": {row.case.name: _case_json(report, row) for row in report.rows},
    }


def _case_json(report: Report, row: Row) -> dict[str, Any]:
    measured = row.measured
    if measured is None:
        return {"skipped": row.skipped}
    return {
        "operations_per_second": round(measured.per_second * row.case.operations, 1),
        "requests_per_second": round(measured.per_second, 1),
        "p50_ms": round(measured.quantile_ms(P50), 3),
        "p99_ms": round(measured.quantile_ms(P99), 3),
        "requests": measured.count,
        "seconds": round(measured.seconds, 3),
        "errors": measured.errors,
        "first_error": measured.first_error,
        "near_generator_limit": report.is_near(row),
    }
