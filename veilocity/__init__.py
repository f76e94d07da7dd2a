"""The kernel: contracts, distances, time, settings, errors, telemetry and the command line."""
