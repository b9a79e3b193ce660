"""What has been done: the journal of an output folder, its records, and the check of them."""
