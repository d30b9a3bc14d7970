"""Jobs, executions, robots and bulk changes, as callers send and see them."""
