"""The figures of the HTTP benchmark."""

from benchmarks.web.latency import Pairs


def test_the_overhead_is_the_difference_of_the_percentiles() -> None:
    pairs = Pairs(grpc=[1.0, 2.0, 3.0], http=[1.5, 2.5, 9.0])
    assert pairs.overhead_ms(50) == 0.5
    assert pairs.overhead_ms(100) == 6.0
    assert Pairs(grpc=pairs.http, http=pairs.grpc).overhead_ms(50) == -0.5
