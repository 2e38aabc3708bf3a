"""Where a number comes from: records read back, traced, verified and exported."""
