"""What studies of interrupted and of simultaneous commands share: processes, tiny inputs, folders compared."""
