"""What every other package stands on: errors, files, records, settings, progress."""
