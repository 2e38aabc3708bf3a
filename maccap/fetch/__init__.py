"""Downloads: the registry of assets, the lock of what was fetched, transfer, hub and mirror."""
