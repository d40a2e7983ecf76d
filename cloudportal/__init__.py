"""The project: settings, routes, errors and the wire kernel."""
