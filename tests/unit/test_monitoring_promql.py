"""What an expression asks for, however it is written."""

from __future__ import annotations

import pytest

from veilocity.monitoring.promql import Matcher, asked


def metrics_of(expression: str) -> list[str]:
    return [selector.metric for selector in asked(expression).selectors]


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        ("up", ["up"], set()),
        ("sum(up)", ["up"], set()),
        ("sum without (job) (up) by_the_way", ["up", "by_the_way"], {"job"}),
        ("sum(up) by (job, service)", ["up"], {"job", "service"}),
        ("a:b:c > 1e3 and on (x) rate(d_total[5m] offset 1h)", ["a:b:c", "d_total"], {"x"}),
        ("a * on (x) group_left (y) b", ["a", "b"], {"x", "y"}),
        ("a > bool 1 or vector(0) unless -b", ["a", "b"], set()),
        ('label_replace(a, "dst", "$1", "src", "(.*)")', ["a"], set()),
        ("topk(15, sum by (c) (a) > 0)", ["a"], {"c"}),
        ("time() - (a > 0)", ["a"], set()),
    ],
)
def test_metrics_and_labels_are_found(expression: str, metrics: list[str], labels: set[str]) -> None:
    assert metrics_of(expression) == metrics
    assert asked(expression).labels == labels


def test_matchers_keep_what_they_ask() -> None:
    (selector,) = asked('a{b="x, y=}", c!~"p|q",}').selectors
    assert selector.matchers == (Matcher("b", "=", "x, y=}"), Matcher("c", "!~", "p|q"))


def test_a_text_is_no_metric() -> None:
    assert metrics_of('a{b="up"}') == ["a"]
