"""Where requests come in and answers go out: identity, clean input, log lines, timing and HTTP metrics."""
