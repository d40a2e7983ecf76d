"""The wire kernel: microversions, validation, faults, paging."""
