"""What has been done: the journal of an output folder, what it says, its records, and the check of them."""
