#!/bin/bash
# Ends a running portal from elsewhere, with every process that it started.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
exec python3 "$HERE/deploy/supervise.py" stop
