"""Writes docs/fleet/dashboard.json, a Grafana dashboard of what docs/fleet/queries asks.

    python -m tests.make_dashboard

Grafana Labs' own library knows what a dashboard is; the queries are the files that a test runs against PostgreSQL.
"""

from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import bargauge, dashboard, stat, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, StackingConfig
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import GraphDrawStyle, StackingMode
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef

FLEET = Path(__file__).parents[1] / "docs" / "fleet"
QUERIES = FLEET / "queries"
DASHBOARD = FLEET / "dashboard.json"
POSTGRES = "grafana-postgresql-datasource"
DATABASE = "${database}"
"""The variable by which somebody chooses the data source."""


class Sql(Dataquery, Builder[Dataquery]):
    """One of the queries, as Grafana's PostgreSQL data source takes it."""

    def __init__(self, name: str, shape: str) -> None:
        self._text = (QUERIES / f"{name}.sql").read_text()
        self._shape = shape

    def build(self) -> Dataquery:
        return self

    def to_json(self) -> dict[str, Any]:
        source = {"type": POSTGRES, "uid": DATABASE}
        query = {"rawQuery": True, "editorMode": "code", "rawSql": self._text, "format": self._shape}
        return {"refId": "A", "datasource": source, **query}


def panels() -> list[Any]:
    """From what is urgent to what is to be thought about."""
    source = DataSourceRef(POSTGRES, DATABASE)
    last = ReduceDataOptions().calcs(["lastNotNull"])
    return [
        stat.Panel()
        .title("Without a mask now")
        .with_target(Sql("open_violations", "table"))
        .reduce_options(ReduceDataOptions().calcs(["count"]).fields("/^camera$/"))
        .datasource(source)
        .span(6)
        .height(8),
        table.Panel()
        .title("Devices not heard of")
        .with_target(Sql("devices_not_heard_of", "table"))
        .datasource(source)
        .span(18)
        .height(8),
        timeseries.Panel()
        .title("Violations by door and hour")
        .with_target(Sql("violations_by_door_and_hour", "time_series"))
        .draw_style(GraphDrawStyle.BARS)
        .stacking(StackingConfig().mode(StackingMode.NORMAL))
        .fill_opacity(60)
        .datasource(source)
        .span(24)
        .height(10),
        bargauge.Panel()
        .title("Compliance: share of the time with a mask")
        .with_target(Sql("compliance_by_door", "table"))
        .reduce_options(last.values(values=True).fields("/^compliance$/"))
        .unit("percentunit")
        .min(0)
        .max(1)
        .datasource(source)
        .span(12)
        .height(10),
        table.Panel()
        .title("Messages that nobody got")
        .with_target(Sql("missing_messages", "table"))
        .datasource(source)
        .span(12)
        .height(10),
    ]


def made() -> str:
    """The dashboard as JSON."""
    builder = (
        dashboard.Dashboard("Mask compliance")
        .uid("facemask-edge-fleet")
        .tags(["facemask-edge"])
        .time("now-24h", "now")
        .refresh("1m")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("database").label("Database").type(POSTGRES))
    )
    for panel in panels():
        builder = builder.with_panel(panel)
    return f"{JSONEncoder(sort_keys=True, indent=2).encode(builder.build())}\n"


if __name__ == "__main__":
    DASHBOARD.write_text(made())
