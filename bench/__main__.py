"""Measure everything, on a portal and a simulated host of its own; at rest, or it says little."""

from bench.api import measure_creates
from bench.cloud import bench_cloud
from bench.figures import emit_machine
from bench.first_line import measure_first_line
from bench.identity import measure_identity
from bench.lists import measure_lists
from bench.migration import measure_migration
from bench.queue import measure_queue
from bench.rest import measure_rest


def main() -> None:
    """Print the figures, one a line."""
    emit_machine()
    measure_queue()
    with bench_cloud() as bench:
        measure_first_line(bench)
        measure_rest(bench)
        measure_creates(bench)
    with bench_cloud(2) as bench:
        measure_migration(bench)
    measure_lists()
    measure_identity()


if __name__ == "__main__":
    main()
