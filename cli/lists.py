"""Recommendations as a table for people."""

from collections.abc import Collection

from quintet.type.v1.recommendation_pb2 import RecommendationList
from rich.table import Table
from rich.text import Text

from cli.output import money


def recommendation_table(answer: RecommendationList, title: str = "", before: Collection[str] | None = None) -> Table:
    """Return a table of an answer; with `before`, products that were not in that answer are marked as new."""
    table = Table(title=title, title_justify="left", title_style="bold", expand=False)
    for heading, style in (
        ("", "green"),
        ("product", ""),
        ("price", ""),
        ("algorithm", "cyan"),
        ("score", ""),
        ("why", ""),
    ):
        table.add_column(heading, style=style, justify="right" if heading in ("price", "score") else "left")
    for each in answer.recommendations:
        is_new = before is not None and each.product_id not in before
        table.add_row(
            "+" if is_new else " ",
            Text(each.product_name),
            money(each.price),
            each.algorithm,
            f"{each.score:.3f}",
            Text(each.reason.text),
        )
    return table


def how_made(answer: RecommendationList) -> str:
    """Return one line on how an answer came about."""
    parts = [f"strategy {answer.strategy}", f"model {answer.model_version or 'not trained yet'}"]
    if answer.fallbacks:
        parts.append(f"fallbacks: {', '.join(answer.fallbacks)}")
    return " · ".join(parts)
